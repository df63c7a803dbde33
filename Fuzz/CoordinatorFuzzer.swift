import Coordinator
import Primitives
import TestKit

// One entry for libFuzzer, built as Fuzz/run says: a whole coordinator in the simulator, with a provider and a buyer that
// behave and one peer that sends the input. Afterwards those two must still be served and nothing may be left over.
//
// The first byte chooses who the hostile peer is, and the cuts; the rest is what it sends.

private enum Peer: CaseIterable {
    /// Bytes to the buyer listener.
    case buyer
    /// A chat request with this body.
    case chat
    /// Bytes to the provider listener.
    case provider
    /// WebSocket bytes behind a good upgrade.
    case upgraded
    /// Text messages, one a line, behind a good upgrade.
    case greeting
    /// Text messages of a registered provider that has a request; `@` stands for that request's id.
    case registered
    /// An operator with the right key: path, then body, separated by the first line end.
    case operating
}

private let helloModel = "test-model"

private func attack(_ world: SimulatedWorld, _ peer: Peer, _ bytes: [UInt8]) {
    let coordinator = world.coordinator
    switch peer {
    case .buyer:
        let buyer = world.buyer()
        buyer.near.outgoing.cutsAtRandom = true
        buyer.send(bytes: bytes)
        world.run(for: .seconds(20))
        buyer.leave()
    case .chat:
        let buyer = world.buyer()
        buyer.post(String(decoding: bytes, as: UTF8.self))
        world.run(for: .seconds(400))
        buyer.leave()
    case .provider, .operating:
        let buyer = world.operatorConnection()
        buyer.near.outgoing.cutsAtRandom = true
        if peer == .provider {
            buyer.send(bytes: bytes)
        } else {
            let lineEnd = bytes.firstIndex(of: 0x0A) ?? bytes.endIndex
            let body = bytes[lineEnd...].dropFirst()
            buyer.send(bytes: Array("POST /admin/".utf8) + bytes[..<lineEnd])
            buyer.send(
                " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator-key\r\nContent-Length: \(body.count)\r\n\r\n")
            buyer.send(bytes: Array(body))
        }
        world.run(for: .seconds(20))
        buyer.leave()
    case .upgraded, .greeting:
        let provider = SimulatedProvider(
            world.environment, to: coordinator.providerAcceptor, id: "hostile",
            hello: peer == .greeting ? lines(bytes)[0] : nil)
        provider.near.outgoing.cutsAtRandom = true
        world.run(for: .seconds(1))
        if peer == .upgraded {
            provider.sendRaw(bytes)
        } else {
            for line in lines(bytes).dropFirst() { provider.sendText(line) }
        }
        world.run(for: .seconds(200))
        provider.near.close()
    case .registered:
        let provider = world.provider("hostile", model: "hostile-model", onRequest: nil)
        let buyer = world.buyer()
        buyer.complete(model: "hostile-model", stream: bytes.count % 2 == 0)
        world.run(for: .seconds(1))
        let id = provider.requests.first?.id ?? "none"
        for line in lines(bytes) {
            provider.sendText(line.split(separator: "@", omittingEmptySubsequences: false).joined(separator: id))
        }
        world.run(for: .seconds(400))
        provider.near.close()
        world.run(for: .seconds(1))
        buyer.leave()
    }
}

private func lines(_ bytes: [UInt8]) -> [String] {
    bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
}

extension SimulatedBuyer {
    fileprivate func send(bytes: [UInt8]) { send(String(decoding: bytes, as: UTF8.self)) }
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzCoordinator(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let peer = Peer.allCases[Int(start[0]) % Peer.allCases.count]
    let world = SimulatedWorld(seed: UInt64(start[0]))
    let good = world.provider("good")
    attack(world, peer, ByteView(base: start + 1, count: count - 1).array)

    let rejoined = good.phase == .closed ? world.provider("good-2") : good
    // Nobody may keep others from being served, except the operator, who may reject them.
    if peer != .operating {
        let buyer = world.buyer()
        buyer.complete(model: helloModel, stream: true)
        world.wait(for: buyer)
        precondition(buyer.responses.first?.status == 200, "a good buyer is not served any more")
        buyer.leave()
    }
    precondition(rejoined.frameFault == nil, "a good provider got a broken frame")
    world.run(for: .seconds(700))
    precondition(world.leftovers.isEmpty, "something is left over: \(world.leftovers)")
    good.near.close()
    rejoined.near.close()
    world.run(for: .seconds(1))
    return 0
}
