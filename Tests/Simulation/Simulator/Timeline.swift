import LedgerCore

/// Everything that is still to happen, in the order of its times; what happens at one time, in the
/// order in which it was added. Time jumps from one to the next, so a day without events costs
/// nothing.
///
/// A binary heap: adding and taking cost O(log *n*).
package struct Timeline<Item> {
    private struct Entry {
        let at: Int64
        let order: UInt64
        let item: Item

        func precedes(_ other: Entry) -> Bool {
            at != other.at ? at < other.at : order < other.order
        }
    }

    private var heap: [Entry] = []
    private var order: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { heap.isEmpty }
    package var count: Int { heap.count }

    /// The time of the next item, in microseconds since the run began.
    package var next: Int64? { heap.first?.at }

    package mutating func add(_ item: Item, at: Int64) {
        heap.append(Entry(at: at, order: order, item: item))
        order += 1
        var index = heap.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].precedes(heap[parent]) else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    package mutating func take() -> (at: Int64, item: Item)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return (first.at, first.item) }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].precedes(heap[least]) {
                least = child
            }
            guard least != index else { break }
            heap.swapAt(index, least)
            index = least
        }
        return (first.at, first.item)
    }
}
