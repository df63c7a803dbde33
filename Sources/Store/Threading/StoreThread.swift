#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A thread for work that may block.
struct StoreThread: @unchecked Sendable {
    // Safe to share: an identifier that nothing changes.
    private let thread: pthread_t

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// nil when the system gives no thread.
    init?(_ body: @escaping @Sendable () -> Void) {
        let context = Unmanaged.passRetained(Body(body))
        #if canImport(Darwin)
            var started: pthread_t?
            let code = pthread_create(&started, nil, { Self.run($0) }, context.toOpaque())
        #else
            var started = pthread_t()
            let code = pthread_create(&started, nil, { $0.flatMap { Self.run($0) } }, context.toOpaque())
        #endif
        #if canImport(Darwin)
            let thread = code == 0 ? started : nil
        #else
            let thread = code == 0 ? started : Optional<pthread_t>.none
        #endif
        guard let thread else {
            context.release()
            return nil
        }
        self.thread = thread
    }

    private static func run(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
        return nil
    }

    /// Waits until the body has returned. To be called once.
    func join() { pthread_join(thread, nil) }
}
