import CLibuv

/// A thread of the operating system, for work that must not share one: a loop, a writer that may block.
struct LoopThread: Sendable {
    private let thread: uv_thread_t

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts `body` on a new thread. `name` shows in tools; Linux keeps its first 15 bytes.
    init(name: String, _ body: @escaping @Sendable () -> Void) throws(ShardError) {
        var thread = uv_thread_t()
        let context = Unmanaged.passRetained(Body(name: name, run: body))
        let code = uv_thread_create(
            &thread,
            { context in
                guard let context else { return }
                let body = Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                nameCurrentThread(body.name)
                body.run()
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw ShardError(step: .thread, code: code)
        }
        self.thread = thread
    }

    /// Waits until the body has returned. To be called once, from another thread.
    func join() {
        var thread = thread
        let code = uv_thread_join(&thread)
        precondition(code == 0, "a thread could not be joined")
    }

    /// Lets the thread end by itself. Instead of ``join()``.
    func detach() { detachThread(thread) }
}
