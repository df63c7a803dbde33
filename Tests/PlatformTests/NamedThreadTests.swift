import Foundation
import Platform
import Testing

@Suite struct NamedThreadTests {
    @Test func hasRunWhenItIsJoined() throws {
        let hasRun = Monitor(false)
        let thread = try NamedThread(name: "runner") { hasRun.withLock { $0 = true } }
        thread.join()
        #expect(hasRun.withLock { $0 })
    }

    #if os(Linux)
        @Test func hasAsMuchOfItsNameAsTheSystemKeeps() throws {
            let name = Monitor("")
            let thread = try NamedThread(name: "a-name-of-twenty-odd") {
                let text = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
                name.withLock { $0 = text }
            }
            thread.join()
            #expect(name.withLock { $0 } == "a-name-of-twent\n")
        }
    #endif
}
