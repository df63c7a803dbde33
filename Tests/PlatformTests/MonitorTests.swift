import Platform
import Primitives
import Testing

@Suite struct MonitorTests {
    /// The one who waits sees what another changes while it waits: in an optimised build too.
    @Test func aWaiterSeesWhatOthersChange() throws {
        let monitor = Monitor(0)
        let changer = try NamedThread(name: "changer") {
            for _ in 0..<100 {
                monitor.withLock { $0 += 1 }
                monitor.signal()
            }
        }
        let seen = monitor.wait(until: currentInstant() + .seconds(30)) { $0 == 100 ? $0 : nil }
        #expect(seen == 100)
        changer.join()
    }

    @Test func aDeadlineEndsTheWaiting() {
        let monitor = Monitor(7)
        var askedCount = 0
        let nothing: Int? = monitor.wait(until: currentInstant() + .milliseconds(1)) { _ in
            askedCount += 1
            return nil
        }
        #expect(nothing == nil)
        #expect(askedCount >= 2, "asked before the waiting and behind it")
        let something = monitor.wait(until: .zero) { $0 }
        #expect(something == 7, "what is there is given, however late")
    }
}
