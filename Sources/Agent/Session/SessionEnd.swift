/// Why a session with the coordinator ended.
package enum SessionEnd: Equatable, Sendable {
    /// The upgrade was answered with an HTTP status, or with something that is no upgrade (nil).
    case refused(status: Int?, reason: String)
    /// The coordinator closed it, before or after the greeting.
    case closed(code: UInt16?, reason: String)
    /// The connection broke.
    case lost(reason: String)
    /// Nothing was heard for too long.
    case silent
    /// What came was against the protocol.
    case violated(reason: String)
    /// All requests were finished and the session closed in good order.
    case drained
    /// This side closed it without waiting.
    case stopped
}
