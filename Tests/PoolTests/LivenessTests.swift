import Primitives
import Testing

@testable import Pool

@Suite struct LivenessTests {
    static let settings = PoolSettings()

    @Test func silenceIsAnsweredWithAPingAndThenAClose() {
        var liveness = Liveness(now: at(0))
        #expect(liveness.deadline(Self.settings) == at(30))
        #expect(liveness.deadlineReached(now: at(29), settings: Self.settings) == .none)
        #expect(liveness.deadlineReached(now: at(30), settings: Self.settings) == .sendPing)
        #expect(liveness.deadlineReached(now: at(30), settings: Self.settings) == .none)
        #expect(liveness.deadlineReached(now: at(45), settings: Self.settings) == .heartbeatLate)
        #expect(liveness.deadlineReached(now: at(45), settings: Self.settings) == .none)
        #expect(liveness.deadlineReached(now: at(60), settings: Self.settings) == .silent)
        #expect(liveness.deadlineReached(now: at(99), settings: Self.settings) == .none)
        #expect(liveness.deadline(Self.settings) == nil)
    }

    @Test func aPongIsLife() {
        var liveness = Liveness(now: at(0))
        #expect(liveness.deadlineReached(now: at(30), settings: Self.settings) == .sendPing)
        liveness.heard(at: at(31))
        #expect(liveness.deadlineReached(now: at(60), settings: Self.settings) == .heartbeatLate)
        #expect(liveness.deadlineReached(now: at(60), settings: Self.settings) == .none)
        #expect(liveness.deadlineReached(now: at(61), settings: Self.settings) == .sendPing)
    }

    @Test func withoutPingsTheThresholdCuts() {
        var settings = PoolSettings()
        settings.pingInterval = nil
        var liveness = Liveness(now: at(0))
        #expect(liveness.deadlineReached(now: at(89), settings: settings) == .heartbeatLate)
        #expect(liveness.deadlineReached(now: at(89), settings: settings) == .none)
        #expect(liveness.deadline(settings) == at(90))
        #expect(liveness.deadlineReached(now: at(90), settings: settings) == .silent)
    }

    @Test func eachMissingHeartbeatIsSaidOnce() {
        var liveness = Liveness(now: at(0))
        liveness.heard(at: at(44))
        #expect(liveness.deadlineReached(now: at(45), settings: Self.settings) == .heartbeatLate)
        #expect(liveness.heartbeatReceived(at: at(50)) == .seconds(50))
        liveness.heard(at: at(94))
        #expect(liveness.deadlineReached(now: at(94), settings: Self.settings) == .none)
        #expect(liveness.deadlineReached(now: at(95), settings: Self.settings) == .heartbeatLate)
    }
}

@Suite struct SlotCountTests {
    @Test func ownCountIsNeverOverTheMaximum() {
        var slots = SlotCount(maxConcurrency: 2)
        #expect(slots.take() && slots.take())
        let third = slots.take()
        #expect(!third)
        #expect(slots.free == 0)
        #expect(slots.giveBack() && slots.giveBack())
        let tooMany = slots.giveBack()
        #expect(!tooMany)
        #expect(slots.free == 2)
    }

    /// (dispatched before the report, reported free, dispatched after it, finished after it) → free
    @Test(arguments: [
        (0, 4, 0, 0, 4),  // idle, and says so
        (0, 1, 0, 0, 1),  // somebody else uses three
        (0, 1, 1, 0, 0),  // and we the last
        (1, 3, 0, 0, 3),  // our request, seen by the provider
        (1, 4, 0, 0, 3),  // our request crossed with the report on the wire
        (1, 2, 0, 1, 3),  // one foreign stays when ours ends
        (2, 2, 1, 0, 1), (2, 2, 0, 2, 4), (0, 99, 0, 0, 4), (0, -5, 0, 0, 0), (4, 0, 0, 1, 1),
    ])
    func reportsOnlyCorrect(_ before: Int, _ reported: Int, _ after: Int, _ finished: Int, _ expected: Int) {
        var slots = SlotCount(maxConcurrency: 4)
        for _ in 0..<before { #expect(slots.take() == true) }
        slots.reported(free: reported, total: 4)
        for _ in 0..<after { #expect(slots.take() == true) }
        for _ in 0..<finished { #expect(slots.giveBack() == true) }
        #expect(slots.free == expected)
    }

    @Test func anyNumberIsSurvived() {
        var slots = SlotCount(maxConcurrency: .max)
        #expect(slots.free == 1024)
        slots.setMaxConcurrency(.min)
        slots.reported(free: .max, total: .min)
        #expect(slots.free == 1)
        slots.reported(free: .min, total: .max)
        #expect(slots.free == 0)
    }
}
