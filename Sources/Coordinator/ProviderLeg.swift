import Primitives
import ProviderProtocol

/// What a provider's session has besides in version 2: its keys, and when it needs new ones.
///
///     serving ─due─▶ draining ─idle─▶ exchanging ─committed─▶ serving
///
/// While draining and exchanging, nothing new is dispatched to the session. Without the capability to rekey in band the
/// session ends where it would begin to exchange.
final class ProviderLeg {
    private enum Stage {
        case serving
        case draining(RekeyRequest.Reason)
        case exchanging(Exchange)
    }

    private final class Exchange {
        var rekey: CoordinatorRekey

        init(_ rekey: consuming CoordinatorRekey) { self.rekey = rekey }
    }

    /// What an idle session that is due for new keys does.
    enum RekeyStart {
        /// Nothing is due.
        case none
        case request(RekeyRequest)
        /// The provider must come again.
        case reconnect
    }

    private var leg: EncryptedLeg
    private let workspace: LegWorkspace
    private let settings: CoordinatorSettings.Tier2
    private let rekeysInBand: Bool
    private var stage = Stage.serving
    private var requestCount = 0
    private var dueAt: MonotonicInstant
    /// The key before this one: what a forgotten request still sends under it is late, not forged.
    private var retiredKeyID: [UInt8] = []

    init(
        _ leg: consuming EncryptedLeg, rekeysInBand: Bool, workspace: LegWorkspace, settings: CoordinatorSettings.Tier2,
        now: MonotonicInstant
    ) {
        self.leg = leg
        self.rekeysInBand = rekeysInBand
        self.workspace = workspace
        self.settings = settings
        dueAt = now + settings.rekeyAfter
    }

    var keyID: String { leg.keyID }

    // MARK: Frames

    func sealRequest(
        _ id: RequestID, stream: Bool, body: ByteView, into queue: inout ByteQueue
    ) throws(LegError) {
        requestCount += 1
        try id.withText { id throws(LegError) in
            try leg.sealRequest(requestID: id, stream: stream, body: body, workspace, into: &queue)
        }
    }

    /// What is authenticated with the chunks of one request.
    func chunkContext(_ id: RequestID, stream: Bool) -> ChunkContext {
        ChunkContext(id.withText { leg.chunkAdditionalData(requestID: $0, stream: stream) })
    }

    @inline(__always)
    func openChunk(_ frame: SealedFrame, _ context: ChunkContext) throws(LegError) -> (seq: Int?, data: ByteView) {
        try leg.openChunk(frame, context.additionalData, workspace)
    }

    func openEnd(_ frame: SealedFrame, stream: Bool) throws(LegError) -> ResponseEnd {
        try leg.openEnd(frame, stream: stream, workspace)
    }

    /// Uses up a frame of a request that is over.
    func discard(_ frame: SealedFrame, _ kind: SealedFrame.Kind) throws(LegError) {
        do throws(LegError) {
            try leg.discard(frame, kind, workspace)
        } catch .wrongKeyID {
            guard withByteView(retiredKeyID, { $0 == frame.envelope.kid }) else { throw .wrongKeyID }
        }
    }

    // MARK: Rekey

    /// Whether new requests have to wait.
    var isRekeying: Bool {
        switch stage {
        case .serving: false
        case .draining, .exchanging: true
        }
    }

    /// When ``becomesDue(now:)`` or ``isOverdue(now:)`` has to be asked.
    var nextDeadline: MonotonicInstant? {
        switch stage {
        case .serving: dueAt
        case .draining: nil
        case .exchanging(let exchange): exchange.rekey.deadline
        }
    }

    /// True once when new keys are due; from then on the session drains.
    func becomesDue(now: MonotonicInstant) -> RekeyRequest.Reason? {
        guard case .serving = stage else { return nil }
        let reason: RekeyRequest.Reason
        if requestCount >= settings.rekeyAfterRequests {
            reason = .requestThreshold
        } else if now >= dueAt {
            reason = .ageThreshold
        } else {
            return nil
        }
        stage = .draining(reason)
        return reason
    }

    /// The exchange has taken too long.
    func isOverdue(now: MonotonicInstant) -> Bool {
        guard case .exchanging(let exchange) = stage else { return false }
        return now >= exchange.rekey.deadline
    }

    /// Nothing is in flight: the exchange may begin, if one is due. `makeRekey` is given the leg to replace.
    func idle(_ makeRekey: (borrowing EncryptedLeg, RekeyRequest.Reason) -> CoordinatorRekey?) -> RekeyStart {
        guard case .draining(let reason) = stage else { return .none }
        guard rekeysInBand, let rekey = makeRekey(leg, reason) else { return .reconnect }
        let request = rekey.request
        stage = .exchanging(Exchange(rekey))
        return .request(request)
    }

    /// Appends the commit.
    func responseReceived(
        _ response: RekeyResponse, now: MonotonicInstant, into queue: inout ByteQueue
    ) throws(RekeyError) {
        guard case .exchanging(let exchange) = stage else { throw .unexpected }
        try exchange.rekey.responseReceived(response, now: now, workspace, into: &queue)
    }

    func committedReceived(_ proof: RekeyProof, now: MonotonicInstant) throws(RekeyError) {
        guard case .exchanging(let exchange) = stage else { throw .unexpected }
        let new = try exchange.rekey.committedReceived(proof, now: now, workspace)
        stage = .serving
        retiredKeyID = Array(leg.keyID.utf8)
        leg = new
        requestCount = 0
        dueAt = now + settings.rekeyAfter
    }

    /// The session ends: nothing goes on.
    func rekeyAbandoned() { stage = .serving }
}

/// A request's additional data, kept with the request.
final class ChunkContext {
    let additionalData: AdditionalData

    init(_ additionalData: consuming AdditionalData) { self.additionalData = additionalData }
}
