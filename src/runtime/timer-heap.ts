/** Something that is due at a time. */
export interface Due {
  readonly at: number;
  /** Of those due at the same time, the lower comes first. */
  readonly order: number;
  /** Place in the heap; -1 while it is in none. The heap's to set. */
  index: number;
}

/** An indexed binary heap: the next that is due is at hand, adding and removing cost O(log n). */
export class TimerHeap<T extends Due> {
  private readonly items: T[] = [];

  get size(): number {
    return this.items.length;
  }

  /** The next that is due. */
  get first(): T | undefined {
    return this.items[0];
  }

  add(item: T): void {
    item.index = this.items.length;
    this.items.push(item);
    this.up(item);
  }

  /** Takes out one that is in this heap. */
  remove(item: T): void {
    const last = this.items.pop()!;
    if (last !== item) {
      last.index = item.index;
      this.items[last.index] = last;
      this.up(last);
      this.down(last);
    }
    item.index = -1;
  }

  private up(item: T): void {
    while (item.index > 0) {
      const parent = this.items[(item.index - 1) >> 1]!;
      if (isBefore(parent, item)) return;
      this.swap(parent, item);
    }
  }

  private down(item: T): void {
    for (;;) {
      const left = this.items[2 * item.index + 1];
      const right = this.items[2 * item.index + 2];
      const child = right !== undefined && left !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || isBefore(item, child)) return;
      this.swap(item, child);
    }
  }

  private swap(a: T, b: T): void {
    [a.index, b.index] = [b.index, a.index];
    this.items[a.index] = a;
    this.items[b.index] = b;
  }
}

/** Whether one is due before another. */
export function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
