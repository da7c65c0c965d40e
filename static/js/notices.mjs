// Say so while the site does not answer requests made in the background.

const notice = document.querySelector("[data-connection-notice]");

for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(failure, () => {
    notice.hidden = false;
  });
}
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.status < 500) notice.hidden = true;
});
