/* Search from the disk: browsers start no worker for a file there, so the worker's script runs in a hidden frame. */
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.title = "search"
      frame.srcdoc = "<!doctype html>"
      this.inner = new Promise(resolve => {
        frame.addEventListener("load", () => {
          const inner = frame.contentWindow
          const run = source => new Promise((done, failed) => {
            const script = inner.document.createElement("script")
            script.src = source
            script.addEventListener("load", done)
            script.addEventListener("error", failed)
            inner.document.head.append(script)
          })
          inner.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
          inner.importScripts = (...sources) => sources.reduce((before, one) => before.then(() => run(one)), Promise.resolve())
          run(url).then(() => resolve(inner))
        }, { once: true })
      })
      document.body.append(frame)
    }

    postMessage(data) {
      this.inner.then(inner => inner.dispatchEvent(new inner.MessageEvent("message", { data })))
    }
  }
  window.Worker = window.IFrameWorker
}
