import Environment
import Primitives
import ProviderProtocol
import WebSocketCodec

/// New keys for a session of version 2 (docs/protocol.md, section 4, "Rekey").
extension ProviderSession {
    /// Asked after each dispatch, and when the keys have reached their age.
    func rekeyIfDue() {
        guard let leg, let handle, let reason = leg.becomesDue(now: now) else { return }
        coordinator.log(.info, "rekey_due", logFields(nil) + [("reason", .string(reason.name.description))])
        coordinator.dispatchSuspended(for: self, handle)
        rekeyIfIdle()
    }

    /// The last request is over: the exchange may begin.
    func rekeyIfIdle() {
        guard case .live = state, let leg, requests.isEmpty else { return }
        let environment = coordinator.environment
        let timeout = coordinator.settings.providerLink.handshakeTimeout
        let start = leg.idle { old, reason in
            guard let privateKey = environment.makePrivateKey() else { return nil }
            return CoordinatorRekey(
                rekeyID: environment.randomID().text, replacing: old, reason: reason, privateKey: privateKey,
                timeout: timeout, now: environment.now, wallTime: environment.wallTime)
        }
        switch start {
        case .none: break
        case .request(let request):
            queue(estimatedByteCount: 512) { request.append(to: &$0) }
            updateDeadline()
        case .reconnect: close(.serviceRestart, "new keys are due: connect again")
        }
    }

    func rekeyResponseReceived(_ response: RekeyResponse) {
        guard let leg else { return ignored("unexpected", "a rekey in a session in the clear") }
        var commit = ByteQueue()
        do throws(RekeyError) {
            try leg.responseReceived(response, now: now, into: &commit)
            queue(estimatedByteCount: commit.count) { $0.append(commit.view) }
        } catch {
            rekeyFailed(error.name)
        }
    }

    func rekeyCommittedReceived(_ proof: RekeyProof) {
        guard let leg, let handle else { return ignored("unexpected", "a rekey in a session in the clear") }
        do throws(RekeyError) {
            try leg.committedReceived(proof, now: now)
        } catch {
            return rekeyFailed(error.name)
        }
        coordinator.metrics.rekeys += 1
        coordinator.log(.info, "rekey_done", logFields(nil))
        updateDeadline()
        coordinator.dispatchResumed(for: self, handle)
    }

    func rekeyDeadlineReached() {
        guard let leg else { return }
        if leg.isOverdue(now: now) { return rekeyFailed("timed_out") }
        rekeyIfDue()
    }

    private func rekeyFailed(_ reason: StaticString) {
        coordinator.metrics.rekeysFailed += 1
        coordinator.log(.error, "rekey_failed", logFields(nil) + [("reason", .string(reason.description))])
        close(SessionRefusal.keyExchangeFailed.closeCode, SessionRefusal.keyExchangeFailed.reason)
    }
}
