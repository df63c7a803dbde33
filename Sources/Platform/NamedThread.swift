// libuv's headers bring in what the C library has beyond POSIX: the naming of threads.
import CLibuv

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A thread of the operating system, for work that must not share one: a loop, or what may block.
package struct NamedThread: @unchecked Sendable {
    // Safe to share: an identifier that nothing changes.
    private let thread: pthread_t

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts `body` on a new thread. `name` shows in tools (`top -H`); Linux keeps its first 15 bytes.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadError) {
        let context = Unmanaged.passRetained(Body(name, body))
        #if canImport(Darwin)
            var started: pthread_t?
            let code = pthread_create(&started, nil, { Self.run($0) }, context.toOpaque())
        #else
            var begun = pthread_t()
            let code = pthread_create(&begun, nil, { $0.flatMap { Self.run($0) } }, context.toOpaque())
            let started: pthread_t? = begun
        #endif
        guard code == 0, let started else {
            context.release()
            throw ThreadError(code: -code)
        }
        thread = started
    }

    private static func run(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
        #if canImport(Darwin)
            pthread_setname_np(body.name)
        #else
            pthread_setname_np(pthread_self(), String(decoding: body.name.utf8.prefix(15), as: UTF8.self))
        #endif
        body.run()
        return nil
    }

    /// Waits until the body has returned. To be called once, from another thread.
    package func join() {
        let code = pthread_join(thread, nil)
        precondition(code == 0, "a thread could not be joined")
    }

    /// Lets the thread end by itself. Instead of ``join()``.
    package func detach() { pthread_detach(thread) }
}

/// The system gives no thread.
package struct ThreadError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A negative error number of the operating system.
    package let code: Int32

    package var description: String { "no thread can be started: \(String(cString: strerror(-code)))" }
}
