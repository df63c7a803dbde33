/// Something that a test waited for did not happen.
struct Timeout: Error, CustomStringConvertible {
    var message: String
    var description: String { message }
}

/// Asks again and again until there is an answer; throws after `limit`. The limit bounds a failure, it asserts nothing.
func eventually<Result: Sendable>(
    within limit: Duration = .seconds(60), _ what: @autoclosure () -> String,
    _ probe: @Sendable () async throws -> Result?
) async throws -> Result {
    let deadline = ContinuousClock.now + limit
    while true {
        if let result = try await probe() { return result }
        if ContinuousClock.now > deadline { throw Timeout(message: "gave up after \(limit) on: \(what())") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
