// Upload each chosen or dropped file in a request of its own, with its own progress and result.

const PARALLEL_UPLOADS = 2;

const form = document.querySelector("[data-upload]");
const zone = form.querySelector("[data-drop-zone]");
const input = form.querySelector("input[type=file]");
const items = form.querySelector("[data-upload-items]");
const itemTemplate = form.querySelector("[data-upload-item]");
const waiting = [];
let running = 0;

function addItem(file) {
  const item = itemTemplate.content.firstElementChild.cloneNode(true);
  item.querySelector("[data-name]").textContent = file.name;
  items.prepend(item);
  return item;
}

function finish(item, content) {
  item.querySelector("[data-bar]").remove();
  item.querySelector("[data-result]").replaceChildren(content);
}

function refuse(item, template) {
  item.classList.add("is-refused");
  finish(item, template.content.cloneNode(true));
}

function send(file, item) {
  const body = new FormData(form);
  body.set(input.name, file);
  const request = new XMLHttpRequest();
  const bar = item.querySelector("[data-bar]");
  request.upload.addEventListener("progress", (event) => {
    // All sent is not yet all done: without a value the bar shows that the server is at work.
    if (event.loaded < event.total) bar.value = event.loaded / event.total;
    else bar.removeAttribute("value");
  });
  return new Promise((resolve) => {
    request.addEventListener("loadend", () => {
      const answer = document.createElement("template");
      answer.innerHTML = request.status === 200 ? request.responseText : "";
      const outcome = answer.content.querySelector("[data-outcome]")?.dataset.outcome;
      if (!outcome) refuse(item, form.querySelector("[data-upload-failed]"));
      else {
        item.classList.toggle("is-refused", outcome === "rejected");
        finish(item, answer.content);
        if (outcome !== "rejected") document.body.dispatchEvent(new Event("documents-changed"));
      }
      resolve();
    });
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    request.send(body);
  });
}

async function sendWaiting() {
  if (running >= PARALLEL_UPLOADS) return;
  running += 1;
  for (let next = waiting.shift(); next; next = waiting.shift()) await send(...next);
  running -= 1;
}

function take(files) {
  for (const file of files) {
    const item = addItem(file);
    if (file.size > Number(form.dataset.maxBytes)) refuse(item, form.querySelector("[data-upload-too-large]"));
    else waiting.push([file, item]);
  }
  for (let started = 0; started < PARALLEL_UPLOADS; started += 1) sendWaiting();
}

input.addEventListener("change", () => {
  take([...input.files]);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

for (const type of ["dragenter", "dragover"]) {
  zone.addEventListener(type, (event) => {
    event.preventDefault();
    zone.classList.add("is-target");
  });
}
for (const type of ["dragleave", "drop"]) {
  zone.addEventListener(type, (event) => {
    event.preventDefault();
    zone.classList.remove("is-target");
  });
}
zone.addEventListener("drop", (event) => take([...event.dataTransfer.files]));

addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});
