import Primitives
import Testing

@testable import Pool

@Suite struct AdmissionTests {
    @Test func pinnedAndProvisional() throws {
        var fixture = Fixture { $0.admission.pinned["h1"] = PinnedProvider(endpointURL: "https://h1.example") }
        let pinned = try fixture.tryAdmit(.sample("p1", endpoint: "https://evil.example")).get()
        #expect(pinned.tier == .pinned && !pinned.isNewProvisional && pinned.ignoresEndpointURL)
        let provisional = try fixture.tryAdmit(.sample("x1", endpoint: "https://evil.example")).get()
        #expect(provisional.tier == .provisional && provisional.isNewProvisional && provisional.ignoresEndpointURL)
        let forwarded = try fixture.tryAdmit(.sample("h1", endpoint: "https://other.example")).get()
        #expect(!forwarded.ignoresEndpointURL)
        let entry = try #require(fixture.pool[forwarded.handle])
        #expect(entry.endpointURL == "https://h1.example" && entry.inferencePath == .httpForwarding)
        #expect(fixture.pool[provisional.handle]?.inferencePath == .webSocketTunneled)
        #expect(fixture.pool.counts.connectedPinned == 2 && fixture.pool.counts.connectedProvisional == 1)
    }

    @Test func theRateCountsNewIdsInASlidingHour() throws {
        var fixture = Fixture { $0.admission.provisionalRatePerHour = 2 }
        _ = try fixture.admit(.sample("x1"))
        fixture.now = at(1800)
        _ = try fixture.admit(.sample("x2"))
        #expect(fixture.tryAdmit(.sample("x3")) == .failure(.provisionalRateLimited(maxPerHour: 2)))
        #expect(try fixture.tryAdmit(.sample("x1")).get().isNewProvisional == false)
        #expect(try fixture.tryAdmit(.sample("p1")).get().tier == .pinned)
        fixture.now = at(3599)
        #expect(fixture.tryAdmit(.sample("x3")) == .failure(.provisionalRateLimited(maxPerHour: 2)))
        fixture.now = at(3600)
        #expect(try fixture.tryAdmit(.sample("x3")).get().isNewProvisional == true)
        #expect(fixture.tryAdmit(.sample("x4")) == .failure(.provisionalRateLimited(maxPerHour: 2)))
    }

    @Test func knownIdsFromTheStoreAreNotNew() throws {
        var settings = PoolSettings()
        settings.admission.provisionalRatePerHour = 0
        var records = AdmissionRecords()
        records.provisional = ["x1"]
        records.promoted = ["x2"]
        records.rejected = ["x3", "p1"]
        settings.admission.pinned["p1"] = PinnedProvider()
        var fixture = Fixture()
        fixture.pool = ProviderPool(settings: settings, records: records)
        #expect(try fixture.tryAdmit(.sample("x1")).get().tier == .provisional)
        #expect(try fixture.tryAdmit(.sample("x2")).get().tier == .pinned)
        #expect(fixture.tryAdmit(.sample("x3")) == .failure(.banned(providerID: "x3")))
        #expect(fixture.tryAdmit(.sample("p1")) == .failure(.banned(providerID: "p1")))
        #expect(fixture.tryAdmit(.sample("x4")) == .failure(.provisionalRateLimited(maxPerHour: 0)))
    }

    @Test func provisionalProvidersAreCountedWhileConnected() throws {
        var fixture = Fixture { $0.admission.maxProvisionalProviders = 1 }
        let first = try fixture.admit(.sample("x1"))
        #expect(fixture.tryAdmit(.sample("x2")) == .failure(.provisionalPoolFull(max: 1)))
        let again = try fixture.tryAdmit(.sample("x1")).get()
        #expect(again.replaced?.handle == first)
        _ = fixture.pool.disconnected(again.handle, now: fixture.now)
        #expect(throws: Never.self) { try fixture.tryAdmit(.sample("x2")).get() }
    }

    @Test func theFullPoolStillTakesAReconnect() throws {
        var fixture = Fixture { $0.maxProviders = 2 }
        let first = try fixture.admit(.sample("p1"))
        _ = try fixture.admit(.sample("p2"))
        #expect(fixture.tryAdmit(.sample("p3")) == .failure(.poolFull))
        let again = try fixture.tryAdmit(.sample("p1")).get()
        #expect(again.replaced?.handle == first)
        #expect(fixture.pool.counts.total == 2)
    }

    @Test func aRefusedIdTakesNoPlaceInTheRate() throws {
        var fixture = Fixture {
            $0.admission.provisionalRatePerHour = 1
            $0.admission.maxProvisionalProviders = 0
        }
        #expect(fixture.tryAdmit(.sample("x1")) == .failure(.provisionalPoolFull(max: 0)))
        #expect(fixture.pool.admissionRecords.provisional.isEmpty)
    }

    @Test func replacementEndsTheOlderSession() throws {
        var fixture = Fixture()
        let old = try fixture.admit(.sample("p1"))
        let oldSession = try #require(fixture.pool[old]?.sessionID)
        #expect(fixture.pool.requestStarted(old, now: fixture.now) == true)
        let new = try fixture.tryAdmit(.sample("p1")).get()
        #expect(new.replaced == ReplacedSession(handle: old, sessionID: oldSession))
        #expect(fixture.pool[old] == nil)
        #expect(fixture.pool.counts.activeRequests == 0)
        #expect(fixture.pool.requestFinished(old, outcome: .failed, now: fixture.now) == [])
        #expect(fixture.pool.disconnected(old, now: fixture.now) == [])
        #expect(fixture.route() == .success(new.handle))
        #expect(fixture.route(target: .session(oldSession)) == .failure(.sessionEnded))
    }

    @Test func promotionGivesFullWeight() throws {
        var fixture = Fixture { $0.admission.provisionalRequestQuotaPerHour = 1 }
        let slow = try fixture.admit(.sample("p1", throughput: 10))
        let quick = try fixture.admit(.sample("x1", throughput: 20))
        #expect(fixture.route(preference: .fast) == .success(slow))
        #expect(fixture.pool.requestStarted(quick, now: fixture.now) == true)
        #expect(fixture.pool.requestStarted(quick, now: fixture.now) == false)
        #expect(fixture.pool.promote("x1", now: fixture.now) == .success(.provisional))
        #expect(fixture.route(preference: .fast) == .success(quick))
        #expect(fixture.pool.requestStarted(quick, now: fixture.now) == true)
        #expect(fixture.pool.promote("x1", now: fixture.now) == .failure(.alreadyPinned))
        #expect(fixture.pool.promote("p1", now: fixture.now) == .failure(.alreadyPinned))
        #expect(fixture.pool.promote("nobody", now: fixture.now) == .failure(.providerNotFound))
        #expect(fixture.pool.counts.connectedPinned == 2 && fixture.pool.counts.connectedProvisional == 0)
    }

    @Test func rejectionDrainsAndBans() throws {
        var fixture = Fixture()
        let handle = try fixture.admit(.sample("x1"))
        let rejection = fixture.pool.reject("x1", closeAfter: .seconds(60), now: fixture.now)
        #expect(rejection.session == handle)
        #expect(rejection.actions == [.stateChanged(handle, from: .ready, to: .draining, cause: .drainOrdered)])
        #expect(fixture.pool.reject("x1", closeAfter: .seconds(60), now: fixture.now).actions == [])
        #expect(fixture.route() == .failure(.noProviderAvailable))
        #expect(fixture.tryAdmit(.sample("x1")) == .failure(.banned(providerID: "x1")))
        #expect(fixture.update(handle, .ready) == [])
        #expect(fixture.pool.promote("x1", now: fixture.now) == .success(.rejected))
        #expect(fixture.pool.reject("nobody", closeAfter: nil, now: fixture.now).session == nil)
        #expect(fixture.pool.standing(of: "nobody") == .rejected)
    }

    @Test func aForgottenIdIsNewAgain() throws {
        var fixture = Fixture { $0.admission.provisionalRatePerHour = 1 }
        _ = try fixture.admit(.sample("x1"))
        fixture.pool.forgetProvisional("x1")
        #expect(fixture.tryAdmit(.sample("x1")) == .failure(.provisionalRateLimited(maxPerHour: 1)))
    }
}
