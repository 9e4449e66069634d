/** In place of d3-transition, a tenth of the bundle: d3-zoom only interrupts transitions, and nothing here starts one. */

import { selection } from "d3-selection";

export function interrupt(): void {}

Object.assign(selection.prototype, {
  interrupt(this: unknown) {
    return this;
  },
});
