from stilt.compiler import with_options


def test_flags_of_the_user_are_kept_and_added_to_once():
    flags = with_options("--xla_dump_to=here")
    assert flags.startswith("--xla_dump_to=here --xla_backend_extra_options=")
    assert with_options(flags) == flags


def test_options_chosen_by_the_user_stay():
    options = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion=false"
    width = "--xla_cpu_prefer_vector_width=256"
    assert with_options(f"{options} {width}").startswith(f"{options} {width} --xla_gpu")
    assert with_options(options).startswith(f"{options} --xla_cpu_prefer_vector_width=512")
    graphs = "--xla_gpu_enable_command_buffer="
    assert with_options(graphs).count(graphs) == 1
    assert width in with_options(width)
