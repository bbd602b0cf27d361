// A tap on a picture that the screen shows smaller than it is lays it over the page, at its full
// size and to be moved; a tap on the button, or Escape, closes it. Others open by their links.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.picture");
  const shown = link?.querySelector("img");
  if (!shown || shown.clientWidth >= shown.naturalWidth || event.ctrlKey || event.metaKey) return;
  if (matchMedia("(min-width: 45em)").matches) return;
  event.preventDefault();
  const over = document.createElement("dialog");
  over.className = "enlarged";
  const picture = document.createElement("img");
  picture.src = shown.currentSrc;
  picture.alt = shown.alt;
  picture.width = Math.max(shown.naturalWidth, 2 * innerWidth);
  const close = document.createElement("button");
  close.textContent = "\u2715";
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => over.close());
  over.addEventListener("close", () => over.remove());
  over.append(picture, close);
  document.body.append(over);
  over.showModal();
});
