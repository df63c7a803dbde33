import Primitives

/// What a provider means to do with one request.
final class SwarmJob {
    let attempt: SwarmAttempt
    /// The chunks of a whole answer.
    let chunkCount: Int
    var nextSeq = 0
    /// Nothing will be done before.
    var notBefore: MonotonicInstant
    /// Nothing will ever be done.
    var isFrozen = false
    var sendsDone: Bool

    init(attempt: SwarmAttempt, chunkCount: Int, sendsDone: Bool, notBefore: MonotonicInstant) {
        self.attempt = attempt
        self.chunkCount = chunkCount
        self.sendsDone = sendsDone
        self.notBefore = notBefore
    }
}
