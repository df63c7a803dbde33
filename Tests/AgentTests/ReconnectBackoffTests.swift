import Testing

@testable import Agent

@Suite struct ReconnectBackoffTests {
    @Test func ceilingDoublesFromOneSecondToOneMinute() {
        var backoff = ReconnectBackoff(seed: 1)
        var ceilings: [Duration] = []
        for _ in 0..<9 {
            ceilings.append(backoff.ceiling)
            let wait = backoff.failed()
            #expect(wait >= ReconnectBackoff.floor && wait <= ceilings[ceilings.count - 1])
        }
        #expect(ceilings == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
        backoff.succeeded()
        #expect(backoff.ceiling == .seconds(1))
    }

    @Test func jitterIsFullAndRepeatable() {
        var one = ReconnectBackoff(seed: 42)
        var same = ReconnectBackoff(seed: 42)
        var other = ReconnectBackoff(seed: 43)
        var waits: [Duration] = []
        var differing = 0
        for _ in 0..<1000 {
            let wait = one.failed()
            #expect(same.failed() == wait)
            if other.failed() != wait { differing += 1 }
            waits.append(wait)
        }
        #expect(differing > 990)
        let settled = waits.dropFirst(10)
        #expect(settled.min().map { $0 < .seconds(3) } == true)
        #expect(settled.max().map { $0 > .seconds(57) && $0 <= .seconds(60) } == true)
        let mean = settled.reduce(.zero, +) / settled.count
        #expect(mean > .seconds(27) && mean < .seconds(33))
    }

    @Test func staysDefinedAfterYears() {
        var backoff = ReconnectBackoff(minimum: .seconds(3600), maximum: .seconds(7200), seed: 1)
        for _ in 0..<100 { #expect(backoff.failed() <= .seconds(7200)) }
    }
}
