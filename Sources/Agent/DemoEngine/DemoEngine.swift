package import Environment
import JSON
import Primitives

/// An engine without a model file and without a server: word trigrams over a built-in text, so that anybody can see a
/// pool at work in the first minute. What it says is worth nothing, and it says so.
package final class DemoEngine: Engine {
    package static let modelID: StaticString = "trunkline-demo"
    /// Prompt and answer together.
    package static let contextTokenCount = DemoRequest.contextTokenCount

    private let environment: any Environment
    private let pace: Duration
    private let model: DemoModel
    private let parser = JSONParser()
    private var running: [EngineRequestID: Generation] = [:]
    private var listings: Set<TimerID> = []
    private var isPaused = false
    private var lastNumber: UInt64 = 0

    /// `pace` is the time that one word takes.
    package init(environment: any Environment, pace: Duration = .milliseconds(25)) {
        self.environment = environment
        self.pace = pace
        model = DemoModel(text: DemoText.text)
    }

    /// One request under way.
    private struct Generation {
        enum Work {
            case refuse(EngineFailure)
            case begin
            case speak
        }

        var reply: any EngineReply
        var work: Work
        var answer: DemoAnswer?
        var writer: DemoReplyWriter
        var isStreaming: Bool
        var includesUsage: Bool
        /// Of a non-streaming answer: the text so far.
        var text: [UInt8] = []
        /// Nil while the engine is paused and this generation's turn has come.
        var timer: TimerID?
    }

    package func start(_ request: EngineRequest, reply: any EngineReply) -> EngineRequestID {
        lastNumber += 1
        let id = EngineRequestID(number: lastNumber)
        var generation = Generation(
            reply: reply, work: .begin, answer: nil,
            writer: DemoReplyWriter(
                id: environment.randomID(), created: Int(environment.wallTime.unixSeconds), promptTokenCount: 0),
            isStreaming: request.isStreaming, includesUsage: false)
        do {
            let wanted = try DemoRequest(body: request.body, parser: parser)
            generation.answer = DemoAnswer(wanted, model: model, seed: wanted.seed ?? environment.randomID().low)
            generation.includesUsage = wanted.includesUsage
            generation.writer = DemoReplyWriter(
                id: generation.writer.id, created: generation.writer.created, promptTokenCount: wanted.promptTokenCount)
        } catch {
            generation.work = .refuse(.answered(status: error.status, body: error.body.view, parser: parser))
        }
        running[id] = generation
        schedule(id)
        return id
    }

    package func cancel(_ id: EngineRequestID) {
        guard let generation = running.removeValue(forKey: id) else { return }
        if let timer = generation.timer { environment.cancel(timer) }
    }

    package func pause() { isPaused = true }

    package func resume() {
        guard isPaused else { return }
        isPaused = false
        for (id, generation) in running where generation.timer == nil { schedule(id) }
    }

    package func listModels(_ completion: @escaping (Result<[String], EngineFailure>) -> Void) {
        var timer: TimerID?
        timer = environment.schedule(at: environment.now) { [weak self] in
            guard let self, let timer, self.listings.remove(timer) != nil else { return }
            completion(.success([Self.modelID.description]))
        }
        if let timer { listings.insert(timer) }
    }

    package func shutDown() {
        for timer in listings { environment.cancel(timer) }
        listings.removeAll()
        for id in Array(running.keys) { cancel(id) }
    }

    private func schedule(_ id: EngineRequestID) {
        let timer = environment.schedule(at: environment.now + pace) { [weak self] in self?.turnCame(id) }
        running[id]?.timer = timer
    }

    private func turnCame(_ id: EngineRequestID) {
        running[id]?.timer = nil
        guard !isPaused, let generation = running[id] else { return }
        switch generation.work {
        case .refuse(let failure):
            running[id] = nil
            generation.reply.engineFinished(.failed(failure))
        case .begin:
            running[id]?.work = .speak
            if generation.isStreaming { produce(generation) { $0.role(into: &$1) } }
            schedule(id)
        case .speak:
            speak(id)
        }
    }

    private func speak(_ id: EngineRequestID) {
        guard let step = running[id]?.answer?.next() else { return }
        switch step {
        case .text(let text):
            guard let generation = running[id] else { return }
            if generation.isStreaming {
                if !text.isEmpty { produce(generation) { $0.content(text, into: &$1) } }
            } else {
                running[id]?.text += text
            }
            schedule(id)
        case .last(let text, let reason):
            // Gone before its last words are spoken: whoever hears them may start or cancel other requests.
            guard let generation = running.removeValue(forKey: id), let count = generation.answer?.tokenCount else {
                return
            }
            if generation.isStreaming {
                if !text.isEmpty { produce(generation) { $0.content(text, into: &$1) } }
                produce(generation) { $0.finish(reason, into: &$1) }
                if generation.includesUsage { produce(generation) { $0.usage(completionTokenCount: count, into: &$1) } }
                produce(generation) { $0.done(into: &$1) }
            } else {
                produce(generation) {
                    $0.completion(generation.text + text, reason, completionTokenCount: count, into: &$1)
                }
            }
            generation.reply.engineFinished(.complete)
        }
    }

    private func produce(_ generation: Generation, _ write: (DemoReplyWriter, inout ByteQueue) -> Void) {
        var queue = ByteQueue()
        write(generation.writer, &queue)
        generation.reply.engineProduced(queue.view)
    }
}
