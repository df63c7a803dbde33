import Coordinator
import Primitives

/// What must not have taken longer, or must not have happened at all.
extension Swarm {
    /// How far what a buyer sees may lag behind what the coordinator decides.
    var slack: Duration {
        var slack = Duration.seconds(3)
        if plan.has(.smallBuffers) { slack += .seconds(60) }
        if plan.has(.providerUplinkStalls) || plan.has(.providerStalls) || plan.has(.stopsReading) {
            slack += .seconds(20)
        }
        if plan.hasLargeRequests || plan.has(.refusesPreflight) || plan.has(.ignoresPreflight) {
            slack += settings.routing.preflightTimeout * (plan.providerCount + 1)
        }
        return slack
    }

    /// The longest that bytes are under way without a fault: a network that carries few at a time is slow with many.
    var longestWay: Duration {
        guard plan.has(.splitPieces) else { return slack }
        return slack + (plan.has(.jitter) ? .seconds(200) : .seconds(20))
    }

    /// The longest that a request may wait until sessions have new keys: each rekey first lets the requests before it
    /// end, and may let one go.
    var rekeyWait: Duration {
        guard plan.hasEncryption else { return .zero }
        let once =
            settings.routing.requestTimeout + settings.routing.cancelTimeout + settings.providerLink.handshakeTimeout
        return once * (plan.buyerCount * 2)
    }

    /// Buyers may send more ahead than is read ahead: that they have left is read behind it.
    var readsLittleAhead: Bool {
        plan.has(.buyerPipelines) && (plan.has(.tightLimits) || plan.hasLargeRequests)
    }

    /// The answer to `request` is complete, on a connection without faults.
    func checkDeadline(of request: SwarmRequest) {
        let waited = now - request.progressAt
        if waited > settings.routing.requestTimeout + longestWay + (request.attempts.isEmpty ? rekeyWait : .zero) {
            fail("request \(request.number) was answered \(waited.inSeconds) s after the last sign of life")
        }
        // What a black hole swallowed made no gap.
        guard !plan.has(.providerBlackHole) else { return }
        guard let attempt = request.attempts.last, attempt.end == nil, !attempt.isLost, let gap = attempt.gapSince
        else { return }
        if now - gap > settings.routing.gapTimeout + longestWay {
            fail("request \(request.number) waited \((now - gap).inSeconds) s for a missing chunk")
        }
    }

    /// The connection ended, without a fault of its own, before `request` was answered.
    func checkCut(of request: SwarmRequest) {
        if isDraining || plan.has(.tightLimits) { return }
        if request.attempts.contains(where: { $0.end == .cancelled }) { return }
        fail("the buyer of request \(request.number) was cut")
    }
}
