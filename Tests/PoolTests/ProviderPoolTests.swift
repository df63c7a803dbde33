import Primitives
import Testing

@testable import Pool

@Suite struct ProviderPoolTests {
    @Test func aDisconnectedProviderStaysForTheGracePeriod() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        let session = try #require(fixture.pool[handle]?.sessionID)
        #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
        fixture.now = at(5)
        #expect(
            fixture.pool.disconnected(handle, now: fixture.now)
                == [.stateChanged(handle, from: .ready, to: .unavailable, cause: .disconnect)])
        #expect(fixture.pool.counts.activeRequests == 0 && fixture.pool.counts.unavailable == 1)
        #expect(fixture.pool.requestFinished(handle, outcome: .failed, now: fixture.now) == [])
        #expect(fixture.pool.disconnected(handle, now: fixture.now) == [])
        #expect(fixture.route(target: .session(session)) == .failure(.sessionEnded))
        #expect(fixture.route(provider: "p1") == .failure(.targetCannotServe))
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.advance(to: at(34)) == [])
        #expect(fixture.advance(to: at(35)) == [.removed(handle, sessionID: session, providerID: "p1")])
        #expect(fixture.pool[handle] == nil && fixture.pool.counts.total == 0)
        #expect(fixture.pool.nextDeadline == nil)
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.route("never/offered") == .failure(.modelNotFound))
    }

    @Test func aReconnectWithinTheGracePeriodReplacesTheGhost() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        _ = fixture.pool.disconnected(handle, now: fixture.now)
        fixture.now = at(29)
        let again = try fixture.tryAdmit(.sample("p1")).get()
        #expect(again.replaced == nil)
        #expect(fixture.advance(to: at(40)) == [])
        #expect(fixture.pool.counts.total == 1)
        #expect(fixture.route() == .success(again.handle))
    }

    @Test func aDrainingProviderIsRemovedAtOnce() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        let session = try #require(fixture.pool[handle]?.sessionID)
        #expect(
            fixture.pool.drainStatusReceived(handle, isComplete: false, now: fixture.now)
                == [.stateChanged(handle, from: .ready, to: .draining, cause: .drainStatus)])
        #expect(
            fixture.pool.drainStatusReceived(handle, isComplete: true, now: fixture.now)
                == [.close(handle, .drainComplete)])
        #expect(
            fixture.pool.disconnected(handle, now: fixture.now)
                == [.removed(handle, sessionID: session, providerID: "p1")])
        #expect(fixture.pool.counts == PoolCounts())
    }

    @Test func anOrderedDrainIsClosedInTime() throws {
        var fixture = Fixture { $0.heartbeatMissThreshold = .seconds(1000) }
        let handle = try fixture.admit(.sample("p1"))
        _ = fixture.pool.markDraining(handle, closeAfter: .seconds(60), now: fixture.now)
        #expect(fixture.advance(to: at(59)) == [.heartbeatLate(handle, silence: .seconds(45))])
        #expect(fixture.advance(to: at(61)) == [.close(handle, .drainOverdue)])
    }

    @Test func failuresAreProbedAndHealed() throws {
        var fixture = Fixture { $0.heartbeatMissThreshold = .seconds(1000) }
        let handle = try fixture.admit(.sample("p1"))
        #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
        #expect(
            fixture.pool.requestFinished(handle, outcome: .failed, now: fixture.now)
                == [.stateChanged(handle, from: .ready, to: .degraded, cause: .requestOutcome)])
        #expect(fixture.route() == .failure(.noProviderAvailable))
        fixture.now = at(20)
        #expect(fixture.heartbeat(handle) == [])
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.advance(to: at(30)) == [.probe(handle)])
        #expect(
            fixture.pool.probeAnswered(handle, accepted: true, now: fixture.now)
                == [.stateChanged(handle, from: .degraded, to: .ready, cause: .probe)])
        #expect(fixture.route() == .success(handle))
        #expect(fixture.pool.probeAnswered(handle, accepted: false, now: fixture.now) == [])
    }

    @Test func unansweredProbesEndInUnavailable() throws {
        var fixture = Fixture { $0.heartbeatMissThreshold = .seconds(1000) }
        let handle = try fixture.admit(.sample("p1"))
        #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
        _ = fixture.pool.requestFinished(handle, outcome: .failed, now: fixture.now)
        let actions = fixture.advance(to: at(400)).filter {
            if case .heartbeatLate = $0 { false } else { true }
        }
        // 30, then 5 s without an answer, 60, 5, 60, 5.
        #expect(
            actions == [
                .probe(handle), .probe(handle), .probe(handle),
                .stateChanged(handle, from: .degraded, to: .unavailable, cause: .deadline),
            ])
        #expect(fixture.heartbeat(handle) == [.sendWarmUp(handle)])
        #expect(
            fixture.update(handle, .ready)
                == [.stateChanged(handle, from: .unavailable, to: .ready, cause: .stateUpdate)])
    }

    @Test func threeTimeOutsInARowDegrade() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        func run(_ fixture: inout Fixture, _ outcome: RequestOutcome) -> [PoolAction] {
            #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
            return fixture.pool.requestFinished(handle, outcome: outcome, now: fixture.now)
        }
        for outcome in [RequestOutcome.timedOut, .timedOut, .refused, .timedOut, .cancelled, .timedOut, .withdrawn] {
            #expect(run(&fixture, outcome) == [])
        }
        #expect(
            run(&fixture, .timedOut)
                == [.stateChanged(handle, from: .ready, to: .degraded, cause: .requestOutcome)])
        let counters = try #require(fixture.pool[handle]?.counters)
        #expect(counters.dispatched == 7 && counters.timedOut == 5 && counters.cancelled == 1 && counters.refused == 1)
    }

    @Test func aSleepIsNoticedAtTheNextHeartbeat() throws {
        var fixture = Fixture { $0.heartbeatMissThreshold = .seconds(1000) }
        let handle = try fixture.admit(.sample("p1"))
        fixture.now = at(121)
        let expected: [PoolAction] = [
            .stateChanged(handle, from: .ready, to: .degraded, cause: .wakeGap), .sendWarmUp(handle),
        ]
        #expect(fixture.heartbeat(handle) == expected)
        fixture.now = at(140)
        #expect(fixture.heartbeat(handle) == [])
        #expect(fixture.pool[handle]?.state == .degraded)
        #expect(fixture.advance(to: at(180)) == [])
        #expect(
            fixture.advance(to: at(182))
                == [.stateChanged(handle, from: .degraded, to: .ready, cause: .deadline)])
        fixture.now = at(302)
        #expect(fixture.heartbeat(handle) == expected)
        #expect(
            fixture.update(handle, .ready)
                == [.stateChanged(handle, from: .degraded, to: .ready, cause: .stateUpdate)])
    }

    @Test func aGapOfExactlyTheThresholdIsNoSleep() throws {
        var fixture = Fixture { $0.heartbeatMissThreshold = .seconds(1000) }
        let handle = try fixture.admit(.sample("p1"))
        fixture.now = at(120)
        #expect(fixture.heartbeat(handle) == [])
    }

    @Test func silenceClosesOnce() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        #expect(fixture.advance(to: at(89)) == [.heartbeatLate(handle, silence: .seconds(45))])
        #expect(
            fixture.advance(to: at(1000)) == [
                .stateChanged(handle, from: .ready, to: .unavailable, cause: .silence), .close(handle, .silent),
            ])
        #expect(fixture.pool.disconnected(handle, now: fixture.now) == [])
        #expect(fixture.advance(to: at(1030)).count == 1)
        #expect(fixture.pool.counts == PoolCounts())
    }

    @Test func hearingAnythingKeepsTheSession() throws {
        var fixture = Fixture { $0.pingInterval = .seconds(30) }
        let handle = try fixture.admit(.sample("p1"))
        var pings = 0
        for second in stride(from: 10.0, through: 3600, by: 10) {
            for action in fixture.advance(to: at(second)) {
                switch action {
                case .sendPing: pings += 1
                case .heartbeatLate: #expect(second == 50)
                default: Issue.record("unexpected \(action)")
                }
            }
            if second.truncatingRemainder(dividingBy: 20) == 0 { fixture.pool.heard(handle, now: fixture.now) }
        }
        #expect(pings == 0)
        #expect(fixture.pool[handle]?.state == .ready)
    }

    @Test func heartbeatsMoveAProviderToAnotherModel() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        _ = fixture.heartbeat(handle, model: "Other/B", context: 4096, concurrency: 3)
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.route("OTHER/b") == .success(handle))
        #expect(fixture.route("other/b", tokens: 4097) == .failure(.noProviderAvailable))
        #expect(fixture.pool.models.map(\.name) == ["Other/B"])
        #expect(fixture.pool.models[0].totalSlots == 3 && fixture.pool.models[0].maxContextTokens == 4096)
        #expect(withByteView("qwen/A") { fixture.pool.hasSeenModel($0) })
    }

    @Test func nonsenseInAHeartbeatIsSurvived() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        for value in [Double.nan, -.infinity, .infinity, -1, .greatestFiniteMagnitude] {
            _ = fixture.heartbeat(
                handle, free: .max, total: .min, context: .min, concurrency: .max, throughput: value, params: value)
            _ = fixture.heartbeat(
                handle, free: .min, total: .max, context: .max, concurrency: .min, throughput: value, params: value)
        }
        #expect(fixture.pool[handle]?.profile.throughputTPSEstimate == .greatestFiniteMagnitude)
        #expect(fixture.pool[handle]?.freeSlots == 0)
    }

    @Test func ghostsAreBounded() throws {
        var fixture = Fixture(pinned: (0..<20).map { "p\($0)" }) { $0.maxProviders = 5 }
        for index in 0..<20 {
            let handle = try fixture.admit(.sample("p\(index)"))
            _ = fixture.pool.disconnected(handle, now: fixture.now)
        }
        #expect(fixture.pool.counts.total == 5)
    }

    @Test func suspendedAndUnreachableProvidersGetNothing() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        fixture.pool.setDispatchSuspended(handle, true)
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.pool.requestStarted(handle, now: fixture.now) == false)
        fixture.pool.setDispatchSuspended(handle, false)
        #expect(fixture.route() == .success(handle))
        fixture.pool.markHTTPForwardingOnly(handle)
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.pool[handle]?.isRoutable == false)
    }

    @Test func modelNamesAreBounded() throws {
        var fixture = Fixture { $0.maxProviders = 1 }
        for index in 0..<5000 {
            _ = try fixture.admit(.sample("p1", model: "model-\(index)"))
            #expect(fixture.route("MODEL-\(index)") != .failure(.modelNotFound))
        }
        #expect(fixture.pool.modelTable.records.count <= 1027)
        #expect(withByteView("model-0") { fixture.pool.hasSeenModel($0) })
    }
}
