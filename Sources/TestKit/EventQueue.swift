import Primitives

/// What will happen in a simulated world, by time; at equal times in the order of scheduling.
///
/// A heap of two words per event beside a table of what the events are. Cancelling empties the place in the table; the
/// heap's entry goes when it surfaces.
struct EventQueue {
    enum Event {
        case nothing
        /// The core's timer: of these none may be left over.
        case timer(() -> Void)
        case action(() -> Void)
        case actor(any SimulatedActor)
        case delivery(SimulatedConnection)
        case deadline(SimulatedConnection)
        case writeCompletion(SimulatedConnection)
        case end(SimulatedConnection)
    }

    private struct Entry {
        var time: Int64
        /// The number of the event, and its place in the table in the lowest bits.
        var order: UInt64

        @inline(__always) func precedes(_ other: Entry) -> Bool {
            time < other.time || (time == other.time && order < other.order)
        }
    }

    private static let placeBits: UInt64 = 24
    private static let placeMask: UInt64 = 1 << placeBits - 1

    private var heap: [Entry] = []
    private var events: [Event] = []
    /// The order of the event in each place; 0 for none.
    private var orders: [UInt64] = []
    private var freePlaces: [Int] = []
    private var lastNumber: UInt64 = 0
    private(set) var count = 0

    mutating func schedule(at time: MonotonicInstant, _ event: Event) -> TimerID {
        lastNumber += 1
        let place: Int
        if let free = freePlaces.popLast() {
            place = free
        } else {
            place = events.count
            precondition(place <= Int(Self.placeMask), "too many events at once")
            events.append(.nothing)
            orders.append(0)
        }
        let order = lastNumber << Self.placeBits | UInt64(place)
        events[place] = event
        orders[place] = order
        count += 1
        siftUp(Entry(time: time.nanoseconds, order: order))
        return TimerID(number: order)
    }

    /// The event, if it had not happened yet.
    @discardableResult mutating func cancel(_ id: TimerID) -> Event? {
        let place = Int(id.number & Self.placeMask)
        guard place < orders.count, orders[place] == id.number else { return nil }
        let event = events[place]
        free(place)
        return event
    }

    /// Forgets what timers of the core would do.
    mutating func removeTimers() {
        for place in events.indices {
            if case .timer = events[place] { free(place) }
        }
    }

    private mutating func free(_ place: Int) {
        events[place] = .nothing
        orders[place] = 0
        freePlaces.append(place)
        count -= 1
    }

    /// When the next event happens.
    var nextTime: MonotonicInstant? {
        mutating get {
            while let first = heap.first {
                if orders[Int(first.order & Self.placeMask)] == first.order {
                    return MonotonicInstant(nanoseconds: first.time)
                }
                removeFirst()
            }
            return nil
        }
    }

    /// The event of ``nextTime``.
    mutating func pop() -> Event? {
        guard nextTime != nil else { return nil }
        let place = Int(heap[0].order & Self.placeMask)
        removeFirst()
        let event = events[place]
        free(place)
        return event
    }

    private mutating func siftUp(_ entry: Entry) {
        heap.append(entry)
        heap.withUnsafeMutableBufferPointer { heap in
            var child = heap.count - 1
            while child > 0 {
                let parent = (child - 1) / 2
                guard entry.precedes(heap[parent]) else { break }
                heap[child] = heap[parent]
                child = parent
            }
            heap[child] = entry
        }
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap.withUnsafeMutableBufferPointer { heap in
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
                guard heap[child].precedes(last) else { break }
                heap[parent] = heap[child]
                parent = child
            }
            heap[parent] = last
        }
    }
}

/// Somebody in a simulated world who acts of their own accord.
package protocol SimulatedActor: AnyObject {
    /// The time has come that ``SimulatedEnvironment/schedule(_:at:)`` was given.
    func act()
}
