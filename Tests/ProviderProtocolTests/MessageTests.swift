import JSON
import Primitives
import ProviderProtocol
import Testing

@Suite struct MessageTests {
    private let parser = JSONParser()

    private func providerError(_ text: String) -> MessageError? {
        withPadded(text) { view in
            do throws(MessageError) { _ = try ProviderMessage.parse(view, with: parser) } catch { return error }
            return nil
        }
    }

    private func coordinatorError(_ text: String) -> MessageError? {
        withPadded(text) { view in
            do throws(MessageError) { _ = try CoordinatorMessage.parse(view, with: parser) } catch { return error }
            return nil
        }
    }

    @Test(arguments: [
        ("", MessageError.notJSON), ("{", .notJSON), ("{\"type\":1e999}", .notJSON),
        ("{\"type\":\"\\ud800\"}", .notJSON),
        ("[]", .notAnObject), ("1", .notAnObject), ("\"hello\"", .notAnObject), ("null", .notAnObject),
        ("{}", .missingType),
        ("{\"Type\":\"hello\"}", .missingType), ("{\"type\":null}", .invalid(field: "type")),
        ("{\"type\":1}", .invalid(field: "type")), ("{\"type\":[\"hello\"]}", .invalid(field: "type")),
    ]) func refusesWhatIsNoMessage(text: String, error: MessageError) {
        #expect(providerError(text) == error)
        #expect(coordinatorError(text) == error)
    }

    @Test(arguments: ["", "hello2", "HELLO", "hello\\u0000", "drain", "inference_response_chunk2", "inference_request"])
    func passesUnknownTypesOn(type: String) throws {
        try withPadded("{\"type\":\"\(type)\",\"x\":1}") { view in
            guard case .unknown(let name) = try ProviderMessage.parse(view, with: parser) else {
                throw Failure(what: "known")
            }
            #expect(name.string == type.replacing("\\u0000", with: "\0"))
        }
    }

    @Test func ignoresUnknownFieldsInAnyOrder() throws {
        let text =
            #"{"x":[{"seq":9}],"data":"d","seqs":1,"seq":3,"dat":0,"request_ids":{},"y":null,"#
            + #""request_id":"r","z":1.5,"type":"inference_response_chunk","u":18446744073709551615}"#
        try withPadded(text) { view in
            guard case .chunk(let chunk) = try ProviderMessage.parse(view, with: parser) else {
                throw Failure(what: "no chunk")
            }
            #expect(chunk == ResponseChunk(requestID: ByteView("r"), seq: 3, data: ByteView("d")))
        }
    }

    @Test func firstOfEqualNamesCounts() throws {
        let text =
            #"{"type":"inference_response_chunk","type":"nak","seq":1,"seq":2,"data":"a","data":"b","#
            + #""request_id":"r","request_id":"s"}"#
        try withPadded(text) { view in
            guard case .chunk(let chunk) = try ProviderMessage.parse(view, with: parser) else {
                throw Failure(what: "no chunk")
            }
            #expect(chunk == ResponseChunk(requestID: ByteView("r"), seq: 1, data: ByteView("a")))
        }
    }

    @Test func readsTheAnswersOfAPreflight() throws {
        let cases: [(String, PreflightAck.Answer)] = [
            (#""accepted":true"#, .accepted(estimatedWaitMilliseconds: nil)),
            (#""accepted":true,"estimated_wait_ms":20"#, .accepted(estimatedWaitMilliseconds: 20)),
            (#""accepted":false"#, .refused(.other)), (#""accepted":false,"reason":"new"#, .refused(.other)),
            (#""accepted":false,"reason":"context_exceeds_capacity"#, .refused(.contextExceedsCapacity)),
            (#""accepted":false,"reason":"draining"#, .refused(.draining)),
            (#""accepted":false,"reason":"model_not_loaded"#, .refused(.modelNotLoaded)),
            (#""accepted":false,"reason":"unhealthy"#, .refused(.unhealthy)),
            (#""accepted":false,"reason":"tier_mismatch"#, .refused(.tierMismatch)),
        ]
        for (fields, answer) in cases {
            let closed = fields.contains("reason") ? fields + "\"" : fields
            try withPadded("{\"type\":\"preflight_ack\",\"request_id\":\"r\",\(closed)}") { view in
                guard case .preflightAck(let ack) = try ProviderMessage.parse(view, with: parser) else {
                    throw Failure(what: "no answer")
                }
                #expect(ack.answer == answer, "\(fields)")
            }
        }
    }

    @Test func readsBothFormsOfAnError() throws {
        for (error, expected) in [("\"a\"", "a"), ("{\"message\":\"b\"}", "b"), ("{}", nil), ("null", nil)] {
            let text =
                "{\"type\":\"inference_response_end\",\"request_id\":\"r\",\"status\":\"complete\",\"error\":\(error)}"
            try withPadded(text) { view in
                guard case .end(let end) = try ProviderMessage.parse(view, with: parser) else {
                    throw Failure(what: "no end")
                }
                #expect(end.errorMessage?.string == expected && end.usage == nil && end.chunksSent == nil)
            }
        }
    }

    @Test func requestIDsCarryAnIndex() {
        var random = SeededRandom(seed: 1)
        for index: UInt32 in [0, 1, 0xFF_FFFF, 0x12_3456] {
            let id = RequestID(UniqueID(randomHigh: random.next(), randomLow: random.next()), index: index)
            #expect(id.index == Int(index))
            #expect(id.text.count == RequestID.textByteCount)
            // Version 4, variant 10: still a UUID.
            #expect(Array(id.text)[4 + 14] == "4" && "89ab".contains(Array(id.text)[4 + 19]))
            #expect(withByteView(id.text) { RequestID($0) } == id)
        }
        #expect(RequestID(UniqueID(high: 0, low: 0), index: .max).index == 0xFF_FFFF)
        for text in [
            "", "req-", "01234567-89ab-4cde-8f01-23456789abcd", "req_01234567-89ab-4cde-8f01-23456789abcd",
            "req-01234567-89ab-4cde-8f01-23456789abcg", "req-01234567-89ab-4cde-8f01-23456789abcd ",
        ] {
            #expect(withByteView(text) { RequestID($0) } == nil)
        }
    }

    @Test(arguments: [
        ("1.2.0", "1.2", false), ("1.2", "1.2.0", false), ("1.9", "1.10", true), ("1.10", "1.9", false),
        ("v1.2.3", "1.2.4", true), ("1.2.3-beta", "1.2.3", false), ("2", "1.9.9", false), ("", "0.0.1", true),
        ("x.y", "0.1", true), ("99999999999999999999", "1", true), ("1..2", "1.0.2", false), ("v", "", false),
    ]) func ordersBinaryVersions(left: String, right: String, isBelow: Bool) {
        #expect((BinaryVersion(left) < BinaryVersion(right)) == isBelow)
    }
}
