import Primitives
import Testing

@testable import Configuration

@Suite struct ConfigurationProblemTests {
    /// A text behind the required key, and the one problem that it has.
    static let single: [(String, String)] = [
        ("poool: {}", "c.yaml:2: poool: unknown key; did you mean pool?"),
        (
            "pool:\n  heartbeat_intervall_s: 1",
            "c.yaml:3: pool.heartbeat_intervall_s: unknown key; did you mean heartbeat_interval_s?"
        ),
        ("ws: {policy: pack}", "c.yaml:2: ws.policy: unknown key; did you mean routing.policy?"),
        (
            "storage: {zzzzzzzzzzzzzz: 1}",
            "c.yaml:2: storage.zzzzzzzzzzzzzz: unknown key; storage has db_path, snapshot_interval_s"
        ),
        (
            "pool: {heartbeat_interval_s: 30s}",
            "c.yaml:2: pool.heartbeat_interval_s: found 30s, expected a whole number of seconds from 1 to 3600"
        ),
        (
            "pool: {heartbeat_interval_s: \"30\"}",
            "c.yaml:2: pool.heartbeat_interval_s: found the text \"30\", "
                + "expected a whole number of seconds from 1 to 3600"
        ),
        (
            "pool: {heartbeat_interval_s: 30.0}",
            "c.yaml:2: pool.heartbeat_interval_s: found 30.0, expected a whole number of seconds from 1 to 3600"
        ),
        (
            "pool: {heartbeat_interval_s: 0}",
            "c.yaml:2: pool.heartbeat_interval_s: found 0, expected a whole number of seconds from 1 to 3600"
        ),
        (
            "pool: {degraded_max_retries: 99999999999999999999}",
            "c.yaml:2: pool.degraded_max_retries: found 99999999999999999999, "
                + "expected a whole number of probes from 1 to 100"
        ),
        (
            "pool: {degraded_max_retries: }",
            "c.yaml:2: pool.degraded_max_retries: found nothing, expected a whole number of probes from 1 to 100"
        ),
        (
            "pool: {degraded_max_retries: [1]}",
            "c.yaml:2: pool.degraded_max_retries: found a list, expected a whole number of probes from 1 to 100"
        ),
        (
            "pool: {degraded_probe_after_502: yes}",
            "c.yaml:2: pool.degraded_probe_after_502: found yes, expected true or false"
        ),
        (
            "admission: {provisional_weight: nan}",
            "c.yaml:2: admission.provisional_weight: found nan, expected a number from 0.0 to 1.0"
        ),
        (
            "admission: {provisional_weight: 1.1}",
            "c.yaml:2: admission.provisional_weight: found 1.1, expected a number from 0.0 to 1.0"
        ),
        ("logging: {level: Info}", "c.yaml:2: logging.level: found Info, expected debug, info, warn or error"),
        ("routing: {policy: spread}", "c.yaml:2: routing.policy: found spread, expected pack, fast or accurate"),
        (
            "listen: {bind_address: localhost}",
            "c.yaml:2: listen.bind_address: found localhost, expected an IPv4 or IPv6 address"
        ),
        (
            "listen: {buyer_port: 8444}",
            "c.yaml:2: listen.buyer_port: found 8444 for both ports, expected two different ones"
        ),
        (
            "listen: {buyer_tls_cert: a}",
            "c.yaml:2: listen.buyer_tls_cert: needs listen.buyer_tls_key too"
        ),
        (
            "listen: {provider_tls_key: a}",
            "c.yaml:2: listen.provider_tls_key: needs listen.provider_tls_cert too"
        ),
        ("listen: 5", "c.yaml:2: listen: found 5, expected keys and values"),
        ("listen: {buyer_port: \"${NOPE}\"}", "c.yaml:2: listen.buyer_port: the environment variable NOPE is not set"),
        (
            "storage: {db_path: \"${EMPTY}\"}",
            "c.yaml:2: storage.db_path: found the text \"${EMPTY}\", expected the path of a file, at most 4096 bytes"
        ),
        (
            "storage: {db_path: \"${1A}\"}",
            "c.yaml:2: storage.db_path: found ${ that begins no ${NAME}; write $${ for the characters themselves"
        ),
        (
            "pool:\n  max_providers: 1\n  max_providers: 2",
            "c.yaml:4: pool.max_providers: is given twice; the first is in line 3"
        ),
        ("pool: {}\nws: {}\npool: {}", "c.yaml:4: pool: is given twice; the first is in line 2"),
        (
            "ws:\n  max_unauthenticated_conns: 1\n  max_unauthenticated_conn: 2",
            "c.yaml:4: ws.max_unauthenticated_conn: means ws.max_unauthenticated_conns, which is given twice; "
                + "the first is in line 3"
        ),
        (
            "pool: {heartbeat_interval_s: 90}",
            "c.yaml:2: pool.heartbeat_interval_s: the threshold is 90, expected more than the interval of 90, "
                + "or every provider is cut off between two heartbeats"
        ),
        (
            "pool: {wake_gap_threshold_s: 30}",
            "c.yaml:2: pool.wake_gap_threshold_s: the threshold is 30, expected more than the interval of 30, "
                + "or every heartbeat looks like a wake-up"
        ),
        ("providers: {a: b}", "c.yaml:2: providers: found keys and values, expected a list"),
        (
            "providers:\n  - name",
            "c.yaml:3: providers[0]: found name, expected provider_id, endpoint_url, display_name"
        ),
        (
            "providers:\n  - display_name: x",
            "c.yaml:3: providers[0].provider_id: is missing; "
                + "expected 1 to 64 of the characters a-z, A-Z, 0-9, _, . and -"
        ),
        (
            "providers:\n  - {provider_id: a b}",
            "c.yaml:3: providers[0].provider_id: found a b, "
                + "expected 1 to 64 of the characters a-z, A-Z, 0-9, _, . and -"
        ),
        (
            "providers:\n  - provider_id: a\n  - provider_id: b\n  - provider_id: a",
            "c.yaml:5: providers[2].provider_id: found \"a\", which is listed in line 3 already; ids must be unique"
        ),
        (
            "providers:\n  - {provider_id: a, url: b}",
            "c.yaml:3: providers[0].url: unknown key; expected one of provider_id, endpoint_url, display_name"
        ),
        (
            "providers:\n  - {provider_id: a, provider_ids: b}",
            "c.yaml:3: providers[0].provider_ids: unknown key; did you mean provider_id?"
        ),
        ("a: &x [*x]", "c.yaml:2: *x refers to nothing above"),
        ("pool: !!map {}", "c.yaml:2: the tag tag:yaml.org,2002:map is not understood here; leave it out"),
        ("? {a: b}\n: c", "c.yaml:2: a key must be a word"),
        ("---\na: b", "c.yaml:2: a second document begins here; one is all there may be"),
        ("pool: {a: b", "c.yaml:3: no valid YAML: did not find expected ',' or '}' while parsing a flow mapping"),
        ("pool: \"a", "c.yaml:2: no valid YAML: found unexpected end of stream while scanning a quoted scalar"),
    ]

    @Test(arguments: single.indices)
    func oneProblem(_ index: Int) {
        #expect(problems(Self.single[index].0) == [Self.single[index].1])
    }

    @Test func everythingIsSaidAtOnceInOrder() {
        let text = """
            listen: {buyer_port: -1}
            pool: {heartbeat_interval_s: soon, nonsense_key_here: 1}
            providers:
              - {provider_id: "", endpoint_url: "http://example.com"}
            logging: {level: loud}
            """
        #expect(
            problems(whole: text).map { $0.prefix(while: { $0 != " " }) } == [
                "c.yaml:1:", "c.yaml:2:", "c.yaml:2:", "c.yaml:4:", "c.yaml:4:", "c.yaml:5:", "c.yaml:",
            ])
        #expect(problems(whole: text).last?.hasPrefix("c.yaml: auth.operator_key: is missing; expected") == true)
    }

    @Test(arguments: ["", "\n", "# nothing\n", "---\n", "~", "\u{FEFF}"])
    func anEmptyFileIsSaidToBeEmpty(_ text: String) {
        #expect(problems(whole: text) == ["c.yaml: the file is empty; at least auth.operator_key must be given"])
    }

    @Test(arguments: ["- a", "text", "5"])
    func anotherKindOfDocumentIsRefused(_ text: String) {
        #expect(problems(whole: text).count == 1)
        #expect(problems(whole: text)[0].hasSuffix("expected sections such as `listen:`"))
    }

    @Test(arguments: ["\"\"", "\"<required>\"", "\"two words\"", "\"${EMPTY}\"", "[s3cret]", "s3crét"])
    func theSecretIsNeverShown(_ value: String) {
        let found = problems(whole: "auth: {operator_key: \(value)}")
        #expect(
            found == [
                "c.yaml:1: auth.operator_key: found something else, expected a text of 1 to 1024 visible ASCII "
                    + "characters without spaces, and not <required>"
            ])
    }

    @Test func whatTheEnvironmentHoldsIsNeitherShownNorExpanded() throws {
        #expect(
            problems("pool:\n  max_providers: ${KEY}") == [
                "c.yaml:3: pool.max_providers: found ${KEY}, expected a whole number of providers from 1 to 1000000"
            ])
        #expect(try parse(whole: "auth: {operator_key: \"${NESTED}\"}").auth.operatorKey == "${KEY}")
    }

    @Test(arguments: [
        "https://m4.example", "HTTPS://M4.example:8443/v1/", "https://10.0.0.1", "https://[2001:db8::1]:443/x",
        "http://localhost:8080", "http://127.0.0.1", "http://127.1.2.3:1", "http://[::1]:9",
    ])
    func goodEndpoints(_ url: String) { #expect(TextRule.endpointURL.accepts(url)) }

    @Test(arguments: [
        "", "m4.example", "ftp://m4.example", "http://m4.example", "http://127.0.0.1.evil.example",
        "http://localhost.evil", "http://[::2]", "https://", "https:///path", "https://a b", "https://user@m4.example",
        "http://localhost@evil.example", "https://m4.example:0", "https://m4.example:65536", "https://m4.example:+1",
        "https://m4.example:", "https://m4.example?x", "https://m4.example#x", "https://[::1", "https://[m4]",
        "https://[1.2.3.4]", "http://localhost\\@evil.example", "https://m4.example/\n", "https://ümlaut.example",
        "http://127.0.0.1:80:80",
    ])
    func badEndpoints(_ url: String) { #expect(!TextRule.endpointURL.accepts(url)) }
}

@Suite struct ConfigurationBoundTests {
    @Test func depthIsBounded() {
        let deep = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        #expect(problems("pool: \(deep)") == ["c.yaml:2: nested deeper than 16 levels"])
        let blocks = (0..<40).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        #expect(problems(blocks).count == 1)
    }

    @Test func aliasesAddUpInDepth() {
        var text = "a0: &a0 [x]\n"
        for index in 1...100 { text += "a\(index): &a\(index) [*a\(index - 1)]\n" }
        #expect(problems(text) == ["c.yaml:16: nested deeper than 16 levels"])
    }

    @Test func aBombOfAliasesIsJustUnknownKeys() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for index in 1...9 {
            text += "a\(index): &a\(index) [\(Array(repeating: "*a\(index - 1)", count: 10).joined(separator: ", "))]\n"
        }
        text += "providers: *a9\n"
        let found = problems(text)
        #expect(found.count == 20)
        #expect(found.last == "c.yaml:11: providers[9]: found a list, expected provider_id, endpoint_url, display_name")
    }

    @Test func problemsAreBounded() {
        let text = (0..<5000).map { "key\($0): 1" }.joined(separator: "\n")
        #expect(problems(text).count == 100)
    }

    @Test func aHugeFileIsRefused() {
        let text = [UInt8](repeating: 0x23, count: 16 * 1024 * 1024 + 1)
        #expect(throws: ConfigurationError.self) {
            try CoordinatorConfiguration.parse(text, file: "c.yaml") { _ in nil }
        }
    }

    @Test func manyProvidersFit() throws {
        let text = "providers:\n" + (0..<5000).map { "  - provider_id: p\($0)\n" }.joined()
        #expect(try parse(text).providers.count == 5000)
    }

    @Test func anyBytesAreSurvived() throws {
        var random = SeededRandom(seed: 7)
        let alphabet = Array("pool: {}[],&*!|>'\"%@`#-?\n\t\0\u{7f}é${A}ws:1<<".utf8)
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            #expect(throws: ConfigurationError.self) {
                try CoordinatorConfiguration.parse(text, file: "c.yaml") { _ in nil }
            }
        }
    }
}
