import Coordinator
import Primitives
import TestKit
import Testing

@Suite("Shutting down")
struct ShutdownTests {
    @Test func streamsInFlightFinishAndEveryoneIsToldGoodbye() {
        let world = SimulatedWorld()
        let provider = world.provider { provider, request in
            for seq in 0..<10 {
                _ = world.environment.schedule(at: world.environment.now + .seconds(seq)) {
                    provider.sendChunk(request.id, seq: seq, data: SimulatedProvider.event(request.id, seq))
                    if seq == 9 { provider.sendEnd(request.id, chunks: 10) }
                }
            }
        }
        let buyers = (0..<3).map { _ in world.buyer() }
        for buyer in buyers { buyer.complete(model: "test-model", stream: true) }
        #expect(world.run(upTo: .seconds(5)) { provider.requests.count == 3 })
        var finished = false
        world.coordinator.startDrain(limit: .seconds(30)) { finished = true }
        let late = world.buyer()
        late.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(60)) { finished })
        for buyer in buyers {
            #expect(buyer.responses.first?.status == 200)
            #expect(buyer.responses.first?.isComplete == true)
            #expect(buyer.responses.first?.events.count == 11)
        }
        #expect(late.responses.first?.status == 503)
        #expect(provider.messageTypes.contains("drain"))
        #expect(provider.close?.code == 1001)
        #expect(world.environment.now < .zero + .seconds(20))
        #expect(world.leftovers == [])
    }

    @Test func whatIsLeftAtTheLimitFailsInGoodOrder() {
        let world = SimulatedWorld()
        let provider = world.provider { provider, request in
            if request.body.contains("begun") { provider.sendChunk(request.id, seq: 0, data: "data: 0\n\n") }
        }
        let begun = world.buyer()
        begun.complete(model: "test-model", stream: true, content: "begun")
        let waiting = world.buyer()
        waiting.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(5)) { provider.requests.count == 2 })
        var finished = false
        world.coordinator.startDrain(limit: .seconds(5)) { finished = true }
        #expect(world.run(upTo: .seconds(20)) { finished })
        #expect(begun.responses.first?.events.last == "[DONE]")
        #expect(begun.responses.first?.isComplete == true)
        #expect(waiting.responses.first?.status == 503)
        #expect(provider.cancelled.map(\.reason) == ["coordinator_shutdown", "coordinator_shutdown"])
        #expect(provider.close?.code == 1001)
    }

    @Test func aProviderThatHasNotGreetedYetHearsGoodbyeToo() {
        let world = SimulatedWorld()
        let silent = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, hello: "")
        #expect(world.run(upTo: .seconds(1)) { silent.phase == .greeting })
        let late = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, id: "late", hello: "")
        #expect(world.run(upTo: .seconds(1)) { late.phase == .greeting })
        let busy = world.provider { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { busy.requests.count == 1 })
        var finished = false
        world.coordinator.startDrain(limit: .seconds(5)) { finished = true }
        late.sendText(SimulatedProvider.hello(id: "late"))
        world.run(for: .seconds(1))
        #expect(late.close?.code == 1001)
        #expect(world.run(upTo: .seconds(20)) { finished })
        #expect(silent.close?.code == 1001)
        #expect(busy.close?.code == 1001)
        #expect(world.leftovers == [])
    }

    @Test func anIdleCoordinatorStopsAtOnce() {
        let world = SimulatedWorld()
        var finished = false
        world.coordinator.startDrain(limit: .seconds(30)) { finished = true }
        world.run(for: .zero)
        #expect(finished)
    }

    @Test func readinessEndsWithTheDrain() {
        let world = SimulatedWorld()
        _ = world.provider { _, _ in }
        let holder = world.buyer()
        holder.complete(model: "test-model", stream: true)
        let probe = world.operatorConnection()
        probe.get("/readyz")
        #expect(world.wait(for: probe))
        world.coordinator.startDrain(limit: .seconds(30)) {}
        let second = world.operatorConnection()
        second.get("/readyz")
        #expect(world.wait(for: second))
        #expect(probe.responses.first?.status == 200)
        #expect(second.responses.first?.status == 503)
    }
}
