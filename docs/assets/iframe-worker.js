// Search on pages that were opened as files: browsers refuse to start workers there, so that a script
// which wants to be one runs in a hidden frame, and is sent messages just as a worker is.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.onmessage = null;
      this.waiting = [];
      document.body.append(this.frame);
      this.start(new URL(address, document.baseURI).href);
    }

    start(address) {
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.hear(data);
      inside.importScripts = (...others) => Promise.all(others.map((own) => this.load(own, address)));
      this.load(address, address).then(() => {
        this.ready = true;
        this.waiting.splice(0).forEach((data) => this.postMessage(data));
      });
    }

    load(address, base) {
      const script = this.frame.contentDocument.createElement("script");
      script.src = new URL(address, base).href;
      return new Promise((resolve, reject) => {
        script.onload = resolve;
        script.onerror = reject;
        this.frame.contentDocument.body.append(script);
      });
    }

    hear(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      this.onmessage?.(event);
    }

    postMessage(data) {
      if (!this.ready) this.waiting.push(data);
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
