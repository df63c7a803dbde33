/// Timers by deadline: a binary heap whose entries can be cancelled. Equal deadlines fire in the order of scheduling.
///
/// Holds no clock; a driver asks ``nextDeadline`` and calls ``popExpired(now:)``. Insert and pop cost O(log n), cancel
/// O(1): a cancelled entry stays in the heap until it surfaces, and the heap is rebuilt when such entries prevail.
public struct TimerQueue<Payload> {
    private struct Entry {
        var deadline: MonotonicInstant
        var id: TimerID
        func precedes(_ other: Entry) -> Bool {
            deadline != other.deadline ? deadline < other.deadline : id.number < other.id.number
        }
    }

    private var heap: [Entry] = []
    private var payloads: [TimerID: Payload] = [:]
    private var lastNumber: UInt64 = 0

    public init() {}

    /// Timers that will still fire.
    public var count: Int { payloads.count }
    public var isEmpty: Bool { payloads.isEmpty }

    public mutating func schedule(at deadline: MonotonicInstant, _ payload: Payload) -> TimerID {
        lastNumber += 1
        let id = TimerID(number: lastNumber)
        payloads[id] = payload
        heap.append(Entry(deadline: deadline, id: id))
        siftUp(heap.count - 1)
        return id
    }

    /// Harmless for an id that has fired or was cancelled before.
    public mutating func cancel(_ id: TimerID) {
        guard payloads.removeValue(forKey: id) != nil else { return }
        if heap.count > 64 && heap.count > payloads.count * 2 { rebuild() }
    }

    public var nextDeadline: MonotonicInstant? {
        mutating get {
            while let first = heap.first {
                if payloads[first.id] != nil { return first.deadline }
                removeFirst()
            }
            return nil
        }
    }

    /// The earliest timer whose deadline has come, or nil.
    public mutating func popExpired(now: MonotonicInstant) -> Payload? {
        guard let deadline = nextDeadline, deadline <= now else { return nil }
        let id = heap[0].id
        removeFirst()
        return payloads.removeValue(forKey: id)
    }

    private mutating func rebuild() {
        heap.removeAll { payloads[$0.id] == nil }
        heap.sort { $0.precedes($1) }
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        siftDown(0)
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].precedes(heap[smallest]) { smallest = child }
            }
            guard smallest != parent else { return }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }
}

/// Names one scheduled timer; never reused within a driver.
public struct TimerID: Hashable, Sendable {
    public let number: UInt64

    /// For drivers that keep their timers elsewhere than in a ``TimerQueue``.
    public init(number: UInt64) { self.number = number }
}

extension TimerQueue: Sendable where Payload: Sendable {}
