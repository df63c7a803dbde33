import Coordinator
import Environment
import Pool
import Primitives
import TestKit
import Testing

@Suite("Providers served over HTTP")
struct ForwardingTests {
    /// Stands where the HTTP client stands, and answers by script.
    final class ScriptedForwarder: RequestForwarder {
        let environment: SimulatedEnvironment
        var result: ForwardResult?
        var events = 3
        private(set) var endpoints: [String] = []
        private(set) var bodies: [String] = []
        private(set) var cancelled: [ForwardID] = []

        init(_ environment: SimulatedEnvironment) { self.environment = environment }

        func forward(_ request: ForwardedRequest, reply: any ForwardReply) -> ForwardID {
            endpoints.append(request.endpoint)
            bodies.append(request.body.string)
            let id = ForwardID(number: UInt64(endpoints.count))
            guard let result else { return id }
            let count = result == .complete ? events : 0
            _ = environment.schedule(at: environment.now + .milliseconds(1)) {
                for number in 0..<count { withByteView("data: \(number)\n\n") { reply.forwardProduced($0) } }
                reply.forwardFinished(result)
            }
            return id
        }

        func cancel(_ id: ForwardID) { cancelled.append(id) }
    }

    static func world(_ result: ForwardResult?) -> (SimulatedWorld, ScriptedForwarder, SimulatedProvider) {
        var settings = SimulatedWorld.settings
        settings.pool.admission.pinned["m1"] = PinnedProvider(
            endpointURL: "https://m1.example", displayName: "Em One")
        let world = SimulatedWorld(settings: settings)
        let forwarder = ScriptedForwarder(world.environment)
        forwarder.result = result
        world.coordinator.forwarder = forwarder
        return (world, forwarder, world.provider("m1") { _, _ in })
    }

    @Test func theEndpointAnswersAndTheWebSocketHearsNothing() throws {
        let (world, forwarder, provider) = Self.world(.complete)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(try #require(buyer.responses.first).events == ["0", "1", "2", "[DONE]"])
        #expect(forwarder.endpoints == ["https://m1.example"])
        #expect(forwarder.bodies.first?.contains("test-model") == true)
        #expect(provider.requests.isEmpty)
        #expect(world.leftovers == [])
    }

    @Test func theListingShowsItsNameAndPath() throws {
        let (world, _, _) = Self.world(.complete)
        let reader = world.operatorConnection()
        reader.get("/poolz", fields: "Authorization: Bearer operator-key\r\n")
        #expect(world.wait(for: reader))
        let text = try #require(reader.responses.first).text
        #expect(text.contains("\"display_name\":\"Em One\""))
        #expect(text.contains("\"inference_path\":\"http_forwarding\""))
    }

    struct Outcome: Sendable, CustomTestStringConvertible {
        var result: ForwardResult
        var status: Int
        var degraded = 0
        var testDescription: String { "\(result)" }
    }

    static let outcomes = [
        Outcome(result: .answered(status: 502, isAboutContext: false), status: 502, degraded: 1),
        Outcome(result: .answered(status: 504, isAboutContext: false), status: 504),
        Outcome(result: .answered(status: 400, isAboutContext: true), status: 413),
        Outcome(result: .answered(status: 404, isAboutContext: false), status: 503),
        Outcome(result: .answered(status: 503, isAboutContext: false), status: 503),
        Outcome(result: .broken, status: 502, degraded: 1),
    ]

    @Test(arguments: outcomes) func anErrorIsMapped(_ outcome: Outcome) {
        let (world, _, _) = Self.world(outcome.result)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == outcome.status)
        #expect(world.coordinator.pool.counts.degraded == outcome.degraded)
        #expect(world.leftovers == [])
    }

    @Test(arguments: [true, false]) func aTunnelWithNobodyBehindItIsProbed(_ answers: Bool) {
        let (world, _, provider) = Self.world(.answered(status: 530, isAboutContext: false))
        provider.answersPings = answers
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 502)
        world.run(for: .seconds(6))
        #expect(provider.pingCount == 1)
        #expect(world.coordinator.pool.counts.ready == (answers ? 1 : 0))
        #expect(provider.isLive == answers)
    }

    @Test func aBuyerWhoLeavesAbortsTheTransferAndFreesTheSlotAtOnce() {
        let (world, forwarder, _) = Self.world(nil)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { forwarder.endpoints.count == 1 })
        buyer.leave()
        world.run(for: .seconds(1))
        #expect(forwarder.cancelled.count == 1)
        #expect(world.leftovers == [])
    }
}
