import Primitives

/// One deadline per entry, earliest first: a binary heap that knows where each entry stands, so that a deadline can be
/// moved or taken back in O(log n) without leaving anything behind.
struct DeadlineHeap: Sendable {
    private struct Item {
        var deadline: MonotonicInstant
        var index: UInt32
    }

    private var items: ContiguousArray<Item> = []
    private var positions: ContiguousArray<Int32> = []

    var first: (deadline: MonotonicInstant, index: UInt32)? { items.first.map { ($0.deadline, $0.index) } }

    func deadline(of index: UInt32) -> MonotonicInstant? {
        guard Int(index) < positions.count, positions[Int(index)] >= 0 else { return nil }
        return items[Int(positions[Int(index)])].deadline
    }

    mutating func set(_ index: UInt32, _ deadline: MonotonicInstant) {
        while positions.count <= Int(index) { positions.append(-1) }
        let position = Int(positions[Int(index)])
        guard position >= 0 else {
            items.append(Item(deadline: deadline, index: index))
            positions[Int(index)] = Int32(items.count - 1)
            siftUp(items.count - 1)
            return
        }
        let before = items[position].deadline
        items[position].deadline = deadline
        if deadline < before { siftUp(position) } else { siftDown(position) }
    }

    mutating func remove(_ index: UInt32) {
        guard Int(index) < positions.count, positions[Int(index)] >= 0 else { return }
        let position = Int(positions[Int(index)])
        positions[Int(index)] = -1
        let last = items.removeLast()
        guard position < items.count else { return }
        items[position] = last
        positions[Int(last.index)] = Int32(position)
        siftUp(position)
        siftDown(Int(positions[Int(last.index)]))
    }

    private mutating func swap(_ first: Int, _ second: Int) {
        items.swapAt(first, second)
        positions[Int(items[first].index)] = Int32(first)
        positions[Int(items[second].index)] = Int32(second)
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child].deadline < items[parent].deadline else { return }
            swap(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var smallest = parent
            for child in (2 * parent + 1)...(2 * parent + 2) where child < items.count {
                if items[child].deadline < items[smallest].deadline { smallest = child }
            }
            guard smallest != parent else { return }
            swap(parent, smallest)
            parent = smallest
        }
    }
}
