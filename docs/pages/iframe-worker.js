// A page that is opened from disk may start no worker, which the search needs: its script runs in a
// hidden frame instead. (The name keeps the plugin `offline` from loading such a script elsewhere.)
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    #frame = document.createElement("iframe")
    #started

    constructor(address) {
      super()
      this.#frame.hidden = true
      document.body.append(this.#frame)
      const inner = this.#frame.contentWindow
      const load = (url) => new Promise((resolve, reject) => {
        const script = inner.document.createElement("script")
        script.src = url
        script.onload = resolve
        script.onerror = reject
        inner.document.head.append(script)
      })
      inner.importScripts = (...urls) => Promise.all(urls.map(load))
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      this.#started = load(new URL(address, location))
    }

    postMessage(data) {
      const inner = this.#frame.contentWindow
      this.#started.then(() => inner.dispatchEvent(new inner.MessageEvent("message", { data })))
    }

    terminate() {
      this.#frame.remove()
    }
  }
}
