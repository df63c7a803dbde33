import JSON
import Primitives

/// Memory in which frames are opened and sealed, one for all legs of a loop. What an opened frame gave is valid until
/// the next frame.
package final class LegWorkspace {
    var content = ByteQueue()
    let parser = JSONParser()

    package init() {}

    /// Empty; memory of an unusually long content is given back.
    func clear() { content.consume(content.count) }

    /// Memory held between frames.
    package var allocatedByteCount: Int { content.allocatedByteCount }
}

@available(*, unavailable) extension LegWorkspace: Sendable {}
