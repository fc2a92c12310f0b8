// Numbers by chance that follow from a seed, so that a run can be repeated: next = generator(7); next(10) is 0 to 9.
export function generator (seed) {
  let state = seed >>> 0
  return n => {
    state = (state + 0x9e3779b9) >>> 0
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) % n
  }
}
