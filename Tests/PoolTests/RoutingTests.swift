import Primitives
import Testing

@testable import Pool

@Suite struct RoutingTests {
    @Test func packFillsTheFullestFirst() throws {
        var fixture = Fixture()
        let wide = try fixture.admit(.sample("p1", slots: 4, throughput: 90))
        let slow = try fixture.admit(.sample("p2", slots: 2, throughput: 10))
        let quick = try fixture.admit(.sample("p3", slots: 2, throughput: 30))
        var order: [EntryHandle] = []
        while case .success(let handle) = fixture.route() {
            order.append(handle)
            #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
        }
        #expect(order == [quick, quick, slow, slow, wide, wide, wide, wide])
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.pool.counts.activeRequests == 8)
    }

    @Test func preferencesAndTheirTies() throws {
        var fixture = Fixture()
        let large = try fixture.admit(.sample("p1", slots: 2, throughput: 10, params: 70))
        let largeFull = try fixture.admit(.sample("p2", slots: 1, throughput: 20, params: 70))
        let quick = try fixture.admit(.sample("p3", slots: 3, throughput: 50, params: 7))
        let quickFull = try fixture.admit(.sample("p4", slots: 2, throughput: 50, params: 7))
        #expect(fixture.route(preference: .fast) == .success(quickFull))
        #expect(fixture.route(preference: .fast, excluding: [quickFull]) == .success(quick))
        #expect(fixture.route(preference: .accurate) == .success(largeFull))
        #expect(fixture.route(preference: .accurate, excluding: [largeFull]) == .success(large))
        #expect(fixture.route() == .success(largeFull))
    }

    @Test func theEarlierConnectionWinsTheLastTie() throws {
        var fixture = Fixture()
        let first = try fixture.admit(.sample("p2"))
        let second = try fixture.admit(.sample("p1"))
        for preference in RoutePreference.allCases {
            #expect(fixture.route(preference: preference) == .success(first))
            #expect(fixture.route(preference: preference, excluding: [first]) == .success(second))
            #expect(
                fixture.route(preference: preference, excluding: [first, second]) == .failure(.noProviderAvailable))
        }
    }

    @Test func aProvisionalProviderWeighsLess() throws {
        var fixture = Fixture()
        let provisional = try fixture.admit(.sample("x1", throughput: 60))
        let pinned = try fixture.admit(.sample("p1", throughput: 20))
        #expect(fixture.route(preference: .fast) == .success(pinned))
        #expect(fixture.route() == .success(pinned))
        _ = fixture.heartbeat(provisional, throughput: 70)
        #expect(fixture.route(preference: .fast) == .success(provisional))
    }

    @Test func theWindowMustHoldThePrompt() throws {
        var fixture = Fixture()
        let small = try fixture.admit(.sample("p1", context: 4096, throughput: 99))
        let large = try fixture.admit(.sample("p2", context: 32_768, throughput: 1))
        #expect(fixture.route(tokens: 4096) == .success(small))
        #expect(fixture.route(tokens: 4097) == .success(large))
        #expect(fixture.route(tokens: 32_769) == .failure(.noProviderAvailable))
    }

    @Test func pinningHasNoFallBack() throws {
        var fixture = Fixture { $0.admission.provisionalRequestQuotaPerHour = 1 }
        let pinned = try fixture.admit(.sample("p1", context: 4096, slots: 1))
        let provisional = try fixture.admit(.sample("x1"))
        _ = try fixture.admit(.sample("p3", model: "Other/B"))
        let session = try #require(fixture.pool[pinned]?.sessionID)
        #expect(fixture.route(target: .session(session)) == .success(pinned))
        #expect(fixture.route(tokens: 4097, target: .session(session)) == .failure(.targetCannotServe))
        #expect(fixture.route("other/b", target: .session(session)) == .failure(.modelNotFound))
        #expect(fixture.route("never", target: .session(session)) == .failure(.modelNotFound))
        #expect(fixture.route(target: .session(nil)) == .failure(.sessionEnded))
        #expect(fixture.route(target: .session(UniqueID(high: 9, low: 9))) == .failure(.sessionEnded))
        #expect(fixture.route(target: .session(session), excluding: [pinned]) == .failure(.targetCannotServe))
        #expect(fixture.route(provider: "p1") == .success(pinned))
        #expect(fixture.route(provider: "p3") == .failure(.modelNotFound))
        #expect(fixture.route(provider: "nobody") == .failure(.targetCannotServe))
        #expect(fixture.pool.requestStarted(pinned, now: fixture.now) == true)
        #expect(fixture.route(provider: "p1") == .failure(.targetCannotServe))
        #expect(fixture.pool.requestStarted(provisional, now: fixture.now) == true)
        #expect(fixture.route(provider: "x1") == .failure(.quotaExceeded(retryAfterSeconds: 120)))
        _ = fixture.update(provisional, .busy)
        #expect(fixture.route(provider: "x1") == .failure(.targetCannotServe))
    }

    @Test func aUsedUpQuotaIsSaidWithATime() throws {
        var fixture = Fixture {
            $0.admission.provisionalRequestQuotaPerHour = 2
            $0.heartbeatMissThreshold = .seconds(100_000)
        }
        let first = try fixture.admit(.sample("x1", context: 4096))
        fixture.now = at(1800)
        let second = try fixture.admit(.sample("x2", context: 8192))
        fixture.now = at(2000)
        for handle in [first, first, second, second] {
            #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
            _ = fixture.pool.requestFinished(handle, outcome: .completed, now: fixture.now)
            fixture.now = fixture.now + .seconds(10)
        }
        #expect(fixture.pool.requestStarted(first, now: fixture.now) == false)
        #expect(fixture.route() == .failure(.quotaExceeded(retryAfterSeconds: 120)))
        _ = fixture.advance(to: at(5590.5))
        #expect(fixture.route() == .failure(.quotaExceeded(retryAfterSeconds: 10)))
        #expect(fixture.route(tokens: 5000) == .failure(.quotaExceeded(retryAfterSeconds: 30)))
        #expect(fixture.route(tokens: 9000) == .failure(.noProviderAvailable))
        _ = fixture.advance(to: at(5600))
        #expect(fixture.route() == .success(first))
        #expect(fixture.route(tokens: 5000) == .failure(.quotaExceeded(retryAfterSeconds: 20)))
    }

    @Test func aReconnectDoesNotBeginANewHour() throws {
        var fixture = Fixture { $0.admission.provisionalRequestQuotaPerHour = 1 }
        let handle = try fixture.admit(.sample("x1"))
        #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
        _ = fixture.pool.disconnected(handle, now: fixture.now)
        _ = fixture.advance(to: at(60))
        #expect(fixture.pool.counts.total == 0)
        let again = try fixture.admit(.sample("x1"))
        #expect(fixture.route() == .failure(.quotaExceeded(retryAfterSeconds: 120)))
        #expect(fixture.pool.requestStarted(again, now: fixture.now) == false)
    }

    @Test func aWithdrawnRequestGivesItsQuotaBack() throws {
        var fixture = Fixture { $0.admission.provisionalRequestQuotaPerHour = 1 }
        let handle = try fixture.admit(.sample("x1"))
        #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
        #expect(fixture.route() == .failure(.quotaExceeded(retryAfterSeconds: 120)))
        _ = fixture.pool.requestFinished(handle, outcome: .withdrawn, now: fixture.now)
        #expect(fixture.route() == .success(handle))
    }

    @Test func onlyReadyIsRoutable() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("p1"))
        for state in ProviderState.allCases where state != .ready {
            _ = fixture.update(handle, state)
            #expect(fixture.route() == .failure(.noProviderAvailable))
            _ = fixture.update(handle, .ready)
            #expect(fixture.route() == .success(handle))
        }
        _ = fixture.update(handle, .ready, free: 0)
        #expect(fixture.route() == .failure(.noProviderAvailable))
        _ = fixture.update(handle, .ready, free: 1)
        #expect(fixture.route() == .success(handle))
    }

    @Test func aStaleExclusionExcludesNobodyElse() throws {
        var fixture = Fixture()
        let old = try fixture.admit(.sample("p1"))
        let new = try fixture.admit(.sample("p1"))
        #expect(old.slot == new.slot)
        #expect(fixture.route(excluding: [old]) == .success(new))
    }
}
