import ProviderProtocol

/// The requests in flight by id. An id carries its place in the table, so a chunk finds its request without hashing;
/// the whole id is compared, so a stale or invented one finds nothing.
struct RequestTable: ~Copyable {
    private var slots: [Relay?] = []
    private var free: [UInt32] = []
    private(set) var count = 0

    /// A place for a new request.
    mutating func reserveIndex() -> UInt32 {
        if let index = free.popLast() { return index }
        slots.append(nil)
        return UInt32(slots.count - 1)
    }

    mutating func insert(_ request: Relay) {
        slots[request.id.index] = request
        count += 1
    }

    @inline(__always)
    func find(_ id: RequestID) -> Relay? {
        let index = id.index
        guard index < slots.count, let request = slots[index], request.id == id else { return nil }
        return request
    }

    mutating func remove(_ id: RequestID) {
        guard find(id) != nil else { return }
        slots[id.index] = nil
        free.append(UInt32(id.index))
        count -= 1
    }

    /// A copy, so that the table may change while it is walked.
    var all: [Relay] { slots.compactMap { $0 } }
}
