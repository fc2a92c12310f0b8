// The book of one instrument, kept from a snapshot and changes. apply() answers false if a change does not
// follow from what is here (sequence or checksum): then the caller asks for a new snapshot.
import { compare } from './decimal.js';
import { crc32c } from './crc32c.js';

const CHECKSUM_DEPTH = 10;

export class Book {
  constructor() {
    this.seq = null;
    this.bids = new Map();
    this.asks = new Map();
  }

  apply(message) {
    if (message.snapshot) {
      this.bids.clear();
      this.asks.clear();
    } else if (this.seq !== message.prev_seq) {
      return false;
    }
    this.seq = message.seq;
    for (const [side, levels] of [[this.bids, message.bids], [this.asks, message.asks]])
      for (const [price, quantity, orders] of levels)
        if (quantity === '0') side.delete(price);
        else side.set(price, { price, quantity, orders });
    return this.checksum() === message.checksum;
  }

  // Best first.
  levels(side, depth) {
    const sorted = [...this[side].values()].sort((a, b) => compare(a.price, b.price));
    if (side === 'bids') sorted.reverse();
    return sorted.slice(0, depth);
  }

  checksum() {
    const bids = this.levels('bids', CHECKSUM_DEPTH), asks = this.levels('asks', CHECKSUM_DEPTH);
    const parts = [];
    for (let i = 0; i < CHECKSUM_DEPTH; i++) {
      if (bids[i]) parts.push(bids[i].price, bids[i].quantity);
      if (asks[i]) parts.push(asks[i].price, asks[i].quantity);
    }
    return crc32c(parts.join(':'));
  }
}
