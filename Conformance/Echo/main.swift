import Environment
import Transport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

// A WebSocket echo made of the product's own codec, writer and transport, for the Autobahn test suite:
//
//     trunkline-echo --listen PORT            echoes until it is ended; prints the port (0: one that is free)
//     trunkline-echo --client PORT AGENT      goes through all cases of the fuzzing server on that port
//     trunkline-echo --events CODEC           says what the decoders make of bytes: see EventLines

func fail(_ message: String) -> Never {
    let line = Array("trunkline-echo: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(1)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.count == 2, arguments[0] == "--events", let codec = EventLines.Codec(rawValue: arguments[1]) {
    EventLines.answer(codec)
    exit(0)
}
guard arguments.count >= 2, let port = UInt16(arguments[1]) else {
    fail("usage: --listen PORT | --client PORT AGENT")
}
let shard = try Shard.start()
switch arguments[0] {
case "--listen":
    let bound = try await shard.run { environment in
        let server = EchoServer(on: environment)
        let listener = try environment.listen(ListenSettings(hosts: ["127.0.0.1"], port: port), acceptor: server)
        environment.keep(listener)
        return listener.addresses[0].port
    }
    print(bound)
    fflush(nil)
    try await Task.sleep(for: .seconds(1_000_000))
case "--client" where arguments.count == 3:
    let agent = arguments[2]
    let (ends, end) = AsyncStream<String?>.makeStream()
    await shard.run { environment in
        let client = EchoClient(
            DialEndpoint(host: "127.0.0.1", port: port, security: .plain), agent: agent, on: environment
        ) { end.yield($0) }
        environment.keep(client)
        client.start()
    }
    for await failure in ends {
        if let failure { fail(failure) }
        break
    }
default:
    fail("usage: --listen PORT | --client PORT AGENT")
}
await shard.stop()
