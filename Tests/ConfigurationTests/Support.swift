import Testing

@testable import Configuration

let environment = ["KEY": "s3cret-of-the-operator", "PORT": "9000", "EMPTY": "", "NESTED": "${KEY}", "DIR": "/srv"]

/// Reads a text that has the one required key already; line 1 of `text` is line 2 of the file.
func parse(_ text: String) throws -> CoordinatorConfiguration {
    try parse(whole: "auth: {operator_key: \"k\"}\n" + text)
}

func parse(whole text: String) throws -> CoordinatorConfiguration {
    try CoordinatorConfiguration.parse(Array(text.utf8), file: "c.yaml") { environment[$0] }
}

/// What is wrong with `text`, a problem a line.
func problems(_ text: String) -> [String] { problems(whole: "auth: {operator_key: \"k\"}\n" + text) }

func problems(whole text: String) -> [String] {
    do {
        _ = try parse(whole: text)
        return []
    } catch let error as ConfigurationError {
        return error.problems.map(\.description)
    } catch {
        return ["another error: \(error)"]
    }
}
