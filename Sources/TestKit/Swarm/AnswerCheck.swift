import Coordinator
import Primitives

/// Compares one answer, as it comes, with what must come: every event of one provider's attempt, once and in order, to
/// the byte.
struct AnswerCheck: ~Copyable {
    private var question: SwarmBuyer.Question = .garbage
    private var status = 0
    private var rest = ByteQueue()
    private var expected = ByteQueue()
    /// Whose answer it is, once it has begun.
    private var attempt: SwarmAttempt?
    private var eventCount = 0
    /// Of this answer, `[DONE]` included.
    var chunkCount: Int { eventCount + (sawDone ? 1 : 0) }
    private var sawDone = false
    private var sawError = false

    mutating func begin(_ question: SwarmBuyer.Question, _ head: AnswerReader.Head, in swarm: Swarm) {
        self.question = question
        status = head.status
        rest.removeAll()
        attempt = nil
        eventCount = 0
        sawDone = false
        sawError = false
        switch question {
        case .request(let request, _): checkStatus(of: request, in: swarm)
        case .garbage:
            if !(400..<600).contains(status) { swarm.fail("garbage was answered with \(status)") }
        case .models:
            if status != 200 { swarm.fail("the models were answered with \(status)") }
        }
    }

    private func checkStatus(of request: SwarmRequest, in swarm: Swarm) {
        switch status {
        case 200, 502, 503: break
        case 404:
            // Until the first provider of the model came.
            if !request.attempts.isEmpty { swarm.fail("request \(request.number) got 404 after it was dispatched") }
        case 504 where request.attempts.last?.status == 504: break
        case 504:
            let waited = swarm.now - request.progressAt
            if waited < swarm.settings.routing.requestTimeout - .seconds(5), !swarm.plan.hasSlowLinks,
                !request.isUnread
            {
                swarm.fail("request \(request.number) was given up after \(waited.inSeconds) s")
            }
        case 413:
            guard swarm.plan.has(.tightLimits) || request.attempts.last?.end == .failed else {
                return swarm.fail("request \(request.number) got 413")
            }
        default: swarm.fail("request \(request.number) got status \(status)")
        }
        guard status == 502 || status == 504, swarm.plan.faults.isEmpty else { return }
        // Who comes to rest does not finish what it got a moment later.
        if swarm.isResting, swarm.plan.providersRest { return }
        swarm.fail("request \(request.number) got \(status) in a world without faults")
    }

    mutating func took(_ piece: ByteView, in swarm: Swarm) {
        guard case .request(let request, _) = question, status == 200 else { return }
        rest.append(piece)
        guard request.stream else { return }
        var start = 0
        while let end = Self.eventEnd(rest.view, from: start) {
            eventCame(rest.view[start..<end], request, in: swarm)
            start = end
        }
        rest.consume(start)
    }

    /// Behind the next blank line.
    private static func eventEnd(_ text: ByteView, from start: Int) -> Int? {
        var place = start
        while let line = text.firstIndex(of: 0x0A, from: place) {
            if line + 1 < text.count, text[line + 1] == 0x0A { return line + 2 }
            place = line + 1
        }
        return nil
    }

    private mutating func eventCame(_ event: ByteView, _ request: SwarmRequest, in swarm: Swarm) {
        guard !sawDone else { return swarm.fail("request \(request.number) got more after [DONE]") }
        if event == SwarmText.done {
            sawDone = true
            return
        }
        guard !sawError else { return swarm.fail("request \(request.number) got more after an error event") }
        if event.hasPrefix(SwarmText.errorEventStart) {
            sawError = true
            if swarm.plan.faults.isEmpty, !(swarm.isResting && swarm.plan.providersRest) {
                swarm.fail("request \(request.number) failed in a world without faults")
            }
            return
        }
        dataCame(event, prefix: 6, request, in: swarm)
    }

    private mutating func dataCame(_ data: ByteView, prefix: Int, _ request: SwarmRequest, in swarm: Swarm) {
        if attempt == nil {
            // {"r":17,"a":0,…
            let (_, end) = SwarmText.number(in: data, at: prefix + 5)
            let (number, _) = SwarmText.number(in: data, at: end + 5)
            guard let number, number < request.attempts.count else {
                return swarm.fail("request \(request.number) got what nobody sent: \(data.prefix(60).string)")
            }
            attempt = request.attempts[number]
        }
        guard let attempt else { return }
        guard eventCount < attempt.contiguousCount else {
            return swarm.fail("request \(request.number) got chunk \(eventCount) before it was sent")
        }
        expected.truncate(to: 0)
        if request.stream {
            SwarmText.appendEvent(
                request: request.number, attempt: attempt.number, place: eventCount,
                largestFiller: swarm.plan.largestFiller, to: &expected)
        } else {
            SwarmText.appendAnswer(
                request: request.number, attempt: attempt.number, place: eventCount,
                largestFiller: swarm.plan.largestFiller, to: &expected)
        }
        guard expected.view == data else {
            return swarm.fail(
                "request \(request.number) got \(data.prefix(60).string) in place of chunk \(eventCount)")
        }
        expected.consume(expected.count)
        eventCount += 1
        swarm.chunkDelivered()
    }

    mutating func ended(in swarm: Swarm) {
        guard case .request(let request, let isHTTP10) = question, status == 200 else { return }
        guard request.stream else {
            dataCame(rest.view, prefix: 0, request, in: swarm)
            checkCompleteness(request, in: swarm)
            return
        }
        if !rest.isEmpty, !isHTTP10 { swarm.fail("request \(request.number) got half an event") }
        if isHTTP10, !sawDone { return }
        if !sawDone { swarm.fail("request \(request.number) ended without [DONE]") }
        if !sawError { checkCompleteness(request, in: swarm) }
    }

    /// It ended well: then the provider said so, and nothing is missing.
    private func checkCompleteness(_ request: SwarmRequest, in swarm: Swarm) {
        guard let attempt = attempt ?? request.attempts.last(where: { $0.end == .complete || $0.doneAt == 0 })
        else {
            return swarm.fail("request \(request.number) ended well, but no provider said so")
        }
        // A provider that sent [DONE] and then failed has answered all the same.
        if let done = attempt.doneAt, eventCount == done, sawDone { return }
        guard attempt.end == .complete, !attempt.hadGapAtEnd else {
            return swarm.fail("request \(request.number) ended well, but its provider did not say so")
        }
        let isDoneCounted = attempt.doneAt.map { $0 < attempt.countAtEnd } ?? false
        let count = attempt.countAtEnd - (isDoneCounted ? 1 : 0)
        if eventCount != count { swarm.fail("request \(request.number) got \(eventCount) of \(count) chunks") }
    }
}

extension SwarmPlan {
    /// Bytes of a provider may arrive long after they were sent.
    var hasSlowLinks: Bool {
        has(.providerUplinkStalls) || has(.providerStalls) || has(.stopsReading) || has(.smallBuffers) || has(.sleep)
    }
}
