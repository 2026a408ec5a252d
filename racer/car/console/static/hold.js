// The held button: a finger on the pad, or the arrow keys. Nothing is held after a blur, a hide, a cancel or a stop.

const KEYS = { ArrowUp: "up", ArrowLeft: "left", ArrowRight: "right" };

export class Hold {
  constructor(pad, knob) {
    this.pad = pad;
    this.knob = knob;
    this.allowed = false;
    this.press = 0; // rises with every press; the car ignores one that went on over a stop
    this.pointer = null;
    this.keys = new Set();
    this.steering = 0;
    this.throttle = 0;
    pad.addEventListener("pointerdown", (event) => this.down(event));
    pad.addEventListener("pointermove", (event) => { if (event.pointerId === this.pointer) this.move(event); });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      pad.addEventListener(name, (event) => { if (event.pointerId === this.pointer) this.release(); });
    }
    pad.addEventListener("contextmenu", (event) => event.preventDefault());
    window.addEventListener("keydown", (event) => this.key(event, true));
    window.addEventListener("keyup", (event) => this.key(event, false));
  }

  get held() {
    return this.pointer !== null || this.keys.size > 0;
  }

  down(event) {
    if (!this.allowed || this.held) return;
    event.preventDefault();
    this.press += 1;
    this.pointer = event.pointerId;
    this.pad.setPointerCapture(event.pointerId);
    this.pad.classList.add("held");
    this.move(event);
  }

  // Steering by where the finger is across the pad, throttle from the lower third upwards.
  move(event) {
    const box = this.pad.getBoundingClientRect();
    const across = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const up = Math.min(1, Math.max(0, (box.bottom - event.clientY) / box.height));
    this.steering = 1 - 2 * across; // left is positive
    this.throttle = Math.min(1, Math.max(0, (up - 0.3) / 0.65));
    this.draw(across, 1 - up);
  }

  key(event, down) {
    const name = KEYS[event.code];
    if (!name || this.pad.hidden || event.target.matches("input")) return;
    event.preventDefault();
    if (event.repeat) return;
    if (!down) {
      this.keys.delete(name);
      if (this.pointer === null && this.keys.size === 0) return this.release();
    } else if (this.allowed && this.pointer === null) {
      if (!this.held) this.press += 1;
      this.keys.add(name);
    }
    if (this.pointer !== null || !this.held) return;
    this.steering = (this.keys.has("left") ? 1 : 0) - (this.keys.has("right") ? 1 : 0);
    this.throttle = this.keys.has("up") ? 1 : 0;
    this.pad.classList.add("held");
    this.draw((1 - this.steering) / 2, this.throttle ? 0.1 : 0.8);
  }

  draw(across, down) {
    this.knob.style.left = `${8 + across * 84}%`; // the knob stays inside
    this.knob.style.top = `${12 + down * 76}%`;
  }

  release() {
    this.pointer = null;
    this.keys.clear();
    this.steering = this.throttle = 0;
    this.pad.classList.remove("held");
  }

  read() {
    return { press: this.press, held: this.held, steering: this.steering, throttle: this.throttle };
  }
}
