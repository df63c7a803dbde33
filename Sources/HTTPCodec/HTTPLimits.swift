/// What one message may cost. Going over is an answer (the status beside each limit), never an abort.
package struct HTTPLimits: Sendable, Equatable {
    /// Start line and header fields together, with every CRLF: 431. A target too long is told apart: 414.
    package var headByteCount: Int
    /// The request-target alone: 414.
    package var targetByteCount: Int
    /// Header fields, and apart from them trailer fields: 431.
    package var fieldCount: Int
    /// The body without its framing, as declared or as received: 413.
    package var bodyByteCount: Int
    /// One chunk-size line with its extensions: 400.
    package var chunkLineByteCount: Int
    /// All chunk extensions of one body: 400. Without it every byte of a body could bring a line of ballast along.
    package var chunkExtensionByteCount: Int
    /// The trailer section: 431.
    package var trailerByteCount: Int

    /// Offsets into a head are kept in 32 bits.
    private static let largestHead = 16 * 1024 * 1024

    package init(
        headByteCount: Int = 32 * 1024, targetByteCount: Int = 8 * 1024, fieldCount: Int = 100,
        bodyByteCount: Int = 10 * 1024 * 1024, chunkLineByteCount: Int = 1024,
        chunkExtensionByteCount: Int = 16 * 1024, trailerByteCount: Int = 8 * 1024
    ) {
        func bounded(_ count: Int) -> Int { min(max(count, 0), Self.largestHead) }
        self.headByteCount = bounded(headByteCount)
        self.targetByteCount = bounded(targetByteCount)
        self.fieldCount = bounded(fieldCount)
        self.bodyByteCount = max(bodyByteCount, 0)
        self.chunkLineByteCount = bounded(chunkLineByteCount)
        self.chunkExtensionByteCount = bounded(chunkExtensionByteCount)
        self.trailerByteCount = bounded(trailerByteCount)
    }
}
