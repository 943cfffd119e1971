"use strict";

new EventSource("/api/v1/events").addEventListener("status", (event) => {
  document.getElementById("status").textContent = JSON.stringify(JSON.parse(event.data), null, 2);
});
