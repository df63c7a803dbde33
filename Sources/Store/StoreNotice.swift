package import Coordinator

/// What the store's thread has to say. Given to the owner's closure, in that thread.
package enum StoreNotice: Sendable {
    /// The file can be read now, and could not when the store started.
    case recordsLoaded(StoredRecords)
    /// Another process has issued or revoked a token: these are valid.
    case tokensChanged([TokenRecord])
    /// The retention of these provisional providers is over.
    case providersForgotten([String])
    /// The answer to ``Store/listProvisional(_:)``; nil: the file cannot be read.
    case provisionalListed(question: UInt64, [ProvisionalRecord]?)
}
