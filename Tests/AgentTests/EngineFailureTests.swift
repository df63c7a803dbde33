import JSON
import Primitives
import Testing

@testable import Agent

@Suite struct EngineFailureTests {
    @Test(arguments: [
        (400, #"{"error":{"message":"no","code":"context_length_exceeded"}}"#, EngineFailure.Kind.contextExceeded),
        (
            400, #"{"error":{"message":"exceeds the available context size","type":"exceed_context_size_error"}}"#,
            .contextExceeded
        ),
        (
            400, #"{"object":"error","message":"This model's maximum context length is 512 tokens","code":400}"#,
            .contextExceeded
        ),
        (400, #"{"error":"the prompt is too long"}"#, .contextExceeded),
        (400, #"{"error":{"message":"messages: required","code":"invalid_request"}}"#, .refused),
        (422, #"{"detail":[{"msg":"field required"}]}"#, .refused),
        (401, "", .refused),
        (405, "", .refused),
        (302, "", .refused),
        (413, "", .contextExceeded),
        (404, #"{"error":{"message":"model 'x' not found"}}"#, .modelNotLoaded),
        (404, "not even JSON", .modelNotLoaded),
        (429, "", .queueFull),
        (503, #"{"error":{"message":"Loading model"}}"#, .queueFull),
        (500, "Internal Server Error", .broken),
        (500, #"{"error":{"message":"the request exceeds the available context size"}}"#, .contextExceeded),
        (502, "", .broken),
        (504, "", .broken),
    ])
    func mapsStatusAndBody(status: Int, body: String, kind: EngineFailure.Kind) {
        let failure = withByteView(body) { EngineFailure.answered(status: status, body: $0, parser: JSONParser()) }
        #expect(failure.kind == kind)
        #expect(failure.message.hasPrefix("engine answered \(status): "))
    }

    @Test(arguments: [
        #"{"detail":[{"loc":["body"],"msg":"bad","input":"my secret prompt"}]}"#,
        #"{"error":{"code":"x","input":"my secret prompt"}}"#, #"["my secret prompt"]"#,
    ])
    func whatStandsBesideTheMessageIsNotTold(body: String) {
        let failure = withByteView(body) { EngineFailure.answered(status: 422, body: $0, parser: JSONParser()) }
        #expect(!failure.message.contains("secret"))
    }

    @Test func messageIsBounded() {
        let body = #"{"error":{"message":""# + String(repeating: "é", count: 10_000) + #""}}"#
        let failure = withByteView(body) { EngineFailure.answered(status: 500, body: $0, parser: JSONParser()) }
        #expect(failure.message.utf8.count <= EngineFailure.messageByteCount)
    }
}
