/// Where the inference server is and how long it may take.
package struct HTTPEngineSettings: Sendable {
    /// `http://127.0.0.1:11434`, with or without `/v1`.
    package var baseURL: String
    /// Sent as `Authorization: Bearer …` when set.
    package var apiKey: String?
    package var connectTimeout: Duration = .seconds(5)
    /// For the list of models, the sign of life. An answer to a buyer has no time limit here: the coordinator has one.
    package var listTimeout: Duration = .seconds(10)
    /// Longest JSON body and longest single event; a message of the network may not be longer either.
    package var answerByteCount = 4 * 1024 * 1024

    package init(baseURL: String, apiKey: String? = nil) {
        self.baseURL = baseURL
        self.apiKey = apiKey
    }

    /// Nil when `baseURL` is not an `http` or `https` URL with a host.
    package var endpoint: String? {
        let lowered = baseURL.lowercased()
        guard lowered.hasPrefix("http://") || lowered.hasPrefix("https://") else { return nil }
        guard baseURL.utf8.count <= 2048, baseURL.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        guard !baseURL.contains("?"), !baseURL.contains("#") else { return nil }
        var trimmed = Substring(baseURL)
        while trimmed.hasSuffix("/") { trimmed = trimmed.dropLast() }
        guard !authority.isEmpty else { return nil }
        return trimmed.hasSuffix("/v1") ? String(trimmed) : trimmed + "/v1"
    }

    /// Host and port.
    private var authority: Substring { baseURL.drop { $0 != ":" }.dropFirst(3).prefix { $0 != "/" } }

    /// Whether the engine is on this machine: then no proxy from the environment may come between.
    var isLoopback: Bool {
        authority.hasPrefix("127.") || authority.hasPrefix("localhost") || authority.hasPrefix("[::1]")
    }
}
