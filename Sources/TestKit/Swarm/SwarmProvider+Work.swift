import Coordinator
import Primitives

/// What a live provider of a swarm does when it is its turn.
extension SwarmProvider {
    func begin(_ attempt: SwarmAttempt) {
        let most = swarm.plan.mostChunks
        let job = SwarmJob(
            attempt: attempt, chunkCount: attempt.request.stream ? Int.random(in: 0...most, using: &random) : 1,
            sendsDone: random.chance(0.3),
            notBefore: now + .milliseconds(Int.random(in: 0...200, using: &random)))
        if strikes(.freeze) {
            misbehaves(.freeze)
            job.isFrozen = true
        } else if strikes(.notUnderstood) {
            misbehaves(.notUnderstood)
            refuse(attempt)
            return
        } else if swarm.isResting, swarm.plan.providersRest {
            job.isFrozen = true
        }
        jobs.append(job)
        wake(at: job.notBefore)
    }

    private func refuse(_ attempt: SwarmAttempt) {
        attempt.ended(.failed)
        sendText {
            $0.append("{\"type\":\"nak\",\"in_reply_to\":\"inference_request\",\"request_id\":\"")
            $0.append(attempt.id)
            $0.append("\",\"error\":{\"code\":\"unknown_message_type\",\"message\":\"?\"}}")
        }
    }

    func live() {
        if let until = asleepUntil {
            guard until <= now else { return wake(at: until) }
            wakeUp()
        }
        // Nothing that it says counts any more.
        guard leg?.mustEndBy == nil else { return }
        if nextHeartbeat <= now { sendHeartbeat() }
        endCancelledJobs()
        if let job = jobs.last(where: { !$0.isFrozen && $0.notBefore <= now && $0.attempt.cancelledAt == nil }) {
            // Work moves round: the one that had its turn goes to the front.
            if let place = jobs.firstIndex(where: { $0 === job }), jobs.count > 1 {
                jobs.insert(jobs.remove(at: place), at: 0)
            }
            work(on: job)
        }
        guard phase == .live else { return }
        if random.chance(swarm.plan.hasLargeRequests ? 0.5 : 0.03) { sendPing() }
        if !isExemplary, !swarm.isResting { misbehave() }
        guard phase == .live, asleepUntil == nil else { return }
        planNext()
    }

    private func planNext() {
        var next = nextHeartbeat
        for job in jobs where !job.isFrozen && job.attempt.cancelledAt == nil { next = min(next, job.notBefore) }
        if !isExemplary, !swarm.isResting, !swarm.plan.faults.isEmpty {
            next = min(next, now + .milliseconds(Int.random(in: 100...20_000, using: &random)))
        }
        wake(at: next)
    }

    private func endCancelledJobs() {
        for job in jobs where job.attempt.cancelledAt != nil && !swarm.plan.has(.ignoresCancel) {
            finish(job, .cancelled, "cancelled", count: job.attempt.sentCount)
        }
    }

    private func finish(_ job: SwarmJob, _ end: SwarmAttempt.End, _ status: StaticString, count: Int) {
        if end == .complete { checkCancellation(of: job.attempt, within: .milliseconds(500)) }
        if !isUnheard { job.attempt.ended(end) }
        swarm.note(.provider, index, status, job.attempt.request.number, count)
        withByteView(job.attempt.id) { sendEnd(id: $0, status: status, count: count) }
        jobs.removeAll { $0 === job }
    }

    /// On a good network a `cancel_request` is here soon after the buyer has gone.
    private func checkCancellation(of attempt: SwarmAttempt, within limit: Duration) {
        guard !linkIsFaulty, !swarm.plan.hasSlowLinks, !swarm.plan.hasLargeRequests, attempt.cancelledAt == nil,
            let left = attempt.request.leftAt, now - max(left, attempt.receivedAt) > limit
        else { return }
        let faults: [Fault] = [.tightLimits, .splitPieces, .jitter, .buyerStalls]
        guard !faults.contains(where: swarm.plan.has) else { return }
        swarm.fail("\(name) answered request \(attempt.request.number), and was not told that its buyer has gone")
    }

    private func work(on job: SwarmJob) {
        if !swarm.isResting, swarm.plan.has(.freeze), strikes(.freeze, 0.02) {
            misbehaves(.freeze)
            job.isFrozen = true
            return
        }
        let burst = Int.random(in: 1...4, using: &random)
        for _ in 0..<burst {
            guard job.nextSeq < job.chunkCount else { return end(job) }
            if !isExemplary, lies(about: job) { break }
            send(job, job.nextSeq)
            job.nextSeq += 1
        }
        job.notBefore = now + .microseconds(Int.random(in: 200...40_000, using: &random))
    }

    /// Sends the chunk `seq` of this job.
    private func send(_ job: SwarmJob, _ seq: Int) {
        let attempt = job.attempt
        let isDone = attempt.request.stream && job.sendsDone && seq == job.chunkCount - 1
        if isDone { attempt.doneAt = seq }
        var data = ByteQueue()
        compose(attempt, seq, isDone: isDone, into: &data)
        swarm.note(.provider, index, "sends chunk", attempt.request.number, seq)
        withByteView(attempt.id) { sendChunk(id: $0, seq: seq, data.view) }
        if !isUnheard { attempt.sent(seq, now: now) }
    }

    private func compose(_ attempt: SwarmAttempt, _ seq: Int, isDone: Bool, into data: inout ByteQueue) {
        let filler = swarm.plan.largestFiller
        if isDone {
            data.append(SwarmText.done)
        } else if attempt.request.stream {
            SwarmText.appendEvent(
                request: attempt.request.number, attempt: attempt.number, place: seq, largestFiller: filler, to: &data)
        } else {
            SwarmText.appendAnswer(
                request: attempt.request.number, attempt: attempt.number, place: seq, largestFiller: filler, to: &data)
        }
    }

    /// Two chunks whose frames overtake each other after they have been sealed.
    private func sendSwapped(_ job: SwarmJob, _ leg: SwarmLeg) {
        let attempt = job.attempt
        var frames: [String] = []
        for seq in job.nextSeq...job.nextSeq + 1 {
            let isDone = attempt.request.stream && job.sendsDone && seq == job.chunkCount - 1
            if isDone { attempt.doneAt = seq }
            var data = ByteQueue()
            var text = ByteQueue()
            compose(attempt, seq, isDone: isDone, into: &data)
            withByteView(attempt.id) {
                leg.sealChunk(id: $0, seq: seq, data.view, stream: attempt.request.stream, into: &text)
            }
            frames.append(text.view.string)
            swarm.chunkSent()
        }
        for (frame, seq) in zip(frames.reversed(), [job.nextSeq + 1, job.nextSeq]) {
            swarm.note(.provider, index, "sends chunk", attempt.request.number, seq)
            sendText { $0.append(frame) }
            if !isUnheard { attempt.sent(seq, now: now) }
        }
        job.nextSeq += 2
    }

    /// Data that no buyer may ever get.
    private func sendPoison(_ id: [UInt8], seq: Int) {
        withByteView(id) { sendChunk(id: $0, seq: seq, ByteView("data: {\"poison\":1}\n\n")) }
    }

    private func end(_ job: SwarmJob) {
        let sent = job.attempt.sentCount
        if strikes(.errorEnd) {
            misbehaves(.errorEnd)
            let status: StaticString =
                ["error_internal", "error_model_not_loaded", "error_context_exceeded"][
                    Int.random(in: 0..<3, using: &random)]
            return finish(job, .failed, status, count: sent)
        }
        if strikes(.cancelledEnd) {
            misbehaves(.cancelledEnd)
            return finish(job, .cancelled, "cancelled", count: sent)
        }
        if strikes(.wrongCount) {
            misbehaves(.wrongCount)
            return finish(job, .complete, "complete", count: sent + 5)
        }
        let isDouble = strikes(.doubleEnd)
        finish(job, .complete, "complete", count: sent)
        if isDouble {
            misbehaves(.doubleEnd)
            withByteView(job.attempt.id) { sendEnd(id: $0, status: "error_internal", count: 0) }
        }
    }

    /// True when a lie took the place of the chunk.
    private func lies(about job: SwarmJob) -> Bool {
        let attempt = job.attempt
        if let leg, breaksFrame(of: job, leg) { return true }
        // Without their numbers inside, chunks count as they come.
        let hasNumbers = leg?.hasEnvelope ?? true
        if job.nextSeq == 0, strikes(.queueFullEnd) {
            misbehaves(.queueFullEnd)
            finish(job, .failed, "error_queue_full", count: 0)
            return true
        }
        if strikes(.unknownRequest) {
            misbehaves(.unknownRequest)
            sendPoison(Array("req-00000000-0000-4000-8000-000000000000".utf8), seq: job.nextSeq)
        }
        if strikes(.foreignRequest), let foreign = foreignAttempt() {
            misbehaves(.foreignRequest)
            sendPoison(foreign.id, seq: foreign.contiguousCount)
            if random.chance(0.3) { withByteView(foreign.id) { sendEnd(id: $0, status: "complete", count: 0) } }
        }
        if strikes(.finishedRequest), let finished = known.last(where: { $0.end != nil }) {
            misbehaves(.finishedRequest)
            sendPoison(finished.id, seq: finished.contiguousCount)
        }
        if hasNumbers, attempt.contiguousCount > 0, strikes(.duplicateSeq) {
            misbehaves(.duplicateSeq)
            sendPoison(attempt.id, seq: Int.random(in: 0..<attempt.contiguousCount, using: &random))
            attempt.request.progressAt = now
        }
        if hasNumbers, strikes(.strangeSeq) {
            misbehaves(.strangeSeq)
            let seq = [-1, .min, Int(Int32.min)][Int.random(in: 0..<3, using: &random)]
            sendPoison(attempt.id, seq: seq)
            attempt.request.progressAt = now
            // In the clear such a message is ignored; whoever seals it has made it so.
            if leg != nil {
                swarm.frameBroken()
                mustEnd()
                return true
            }
        }
        if let leg, hasNumbers, job.nextSeq + 1 < job.chunkCount, strikes(.swappedFrames, 0.2) {
            misbehaves(.swappedFrames)
            sendSwapped(job, leg)
            return true
        }
        if hasNumbers, job.nextSeq + 1 < job.chunkCount, strikes(.swappedSeq) {
            misbehaves(.swappedSeq)
            send(job, job.nextSeq + 1)
            send(job, job.nextSeq)
            job.nextSeq += 2
            return true
        }
        if hasNumbers, job.nextSeq + 1 < job.chunkCount, strikes(.lostSeq) {
            misbehaves(.lostSeq)
            send(job, job.nextSeq + 1)
            job.nextSeq += 2
            // Goes on for ever, so that only the gap's own time can end it.
            if random.chance(0.5) { job.isFrozen = true }
            return true
        }
        if strikes(.earlyEnd) {
            misbehaves(.earlyEnd)
            finish(job, .complete, "complete", count: attempt.sentCount)
            sendPoison(attempt.id, seq: job.nextSeq)
            return true
        }
        return false
    }

    /// A request that another provider works on.
    private func foreignAttempt() -> SwarmAttempt? {
        swarm.providers.lazy.filter { $0 !== self }.compactMap { $0.jobs.last?.attempt }.first
    }

    // MARK: Misdeeds of the whole session

    private func misbehave() {
        if strikes(.pingFlood) {
            misbehaves(.pingFlood)
            for _ in 0..<Int.random(in: 20...400, using: &random) { sendPing() }
        }
        if strikes(.malformedMessage) {
            misbehaves(.malformedMessage)
            let texts: [StaticString] = [
                "", "{", "[]", "{\"type\":7}", "{\"type\":\"novelty\"}", "{\"type\":\"inference_response_chunk\"}",
                "{\"type\":\"inference_response_end\",\"request_id\":\"req-1\",\"status\":\"strange\"}",
                "{\"type\":\"heartbeat\",\"status\":\"ready\",\"slots_free\":-1}",
            ]
            let text = texts[Int.random(in: 0..<texts.count, using: &random)]
            sendFrame(opcode: random.chance(0.1) ? 0x2 : RawFrame.text, ByteView(text))
        }
        if strikes(.stateChanges) {
            misbehaves(.stateChanges)
            let states: [StaticString] = ["ready", "busy", "degraded", "unavailable", "ready"]
            sendState(states[Int.random(in: 0..<states.count, using: &random)])
        }
        if strikes(.drainsItself) {
            misbehaves(.drainsItself)
            sendDrainStatus("starting")
            if random.chance(0.5) { sendDrainStatus("complete") }
        }
        if strikes(.garbageBytes, swarm.plan.intensity / 2) {
            misbehaves(.garbageBytes)
            saysAnything = true
            for _ in 0..<Int.random(in: 1...60, using: &random) {
                waiting.append(UInt8.random(in: 0...255, using: &random))
            }
            connection?.requestFlush()
        }
        if strikes(.oversizeMessage, swarm.plan.intensity / 2) {
            misbehaves(.oversizeMessage)
            // Said to be as long as that; the bytes need not come.
            for byte: UInt8 in [0x81, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4] { waiting.append(byte) }
            connection?.requestFlush()
        }
        sendLate()
        misuseConnection()
    }

    private func misuseConnection() {
        guard let connection else { return }
        if strikes(.sleep) { return sleep() }
        if strikes(.providerUplinkStalls) {
            misbehaves(.providerUplinkStalls)
            linkIsFaulty = true
            setUplinkStalled(true, connection)
            scheduleRelief()
        }
        if strikes(.providerStalls) {
            misbehaves(.providerStalls)
            linkIsFaulty = true
            setDownlinkStalled(true)
            scheduleRelief()
        }
        if strikes(.reconnectStorm) {
            misbehaves(.reconnectStorm)
            stormsLeft = Int.random(in: 1...12, using: &random)
            return random.chance(0.5) ? connection.close() : connection.vanish()
        }
        if strikes(.providerResets, swarm.plan.intensity / 2) {
            misbehaves(.providerResets)
            return connection.reset()
        }
        if strikes(.providerHalfCloses, swarm.plan.intensity / 2) {
            misbehaves(.providerHalfCloses)
            return connection.finishWriting()
        }
        if strikes(.providerVanishes, swarm.plan.intensity / 2) {
            misbehaves(.providerVanishes)
            return connection.vanish()
        }
        if strikes(.providerBlackHole, swarm.plan.intensity / 2) {
            misbehaves(.providerBlackHole)
            linkIsFaulty = true
            becomeBlackHole()
        }
    }

    /// Takes nothing more, while there is much that it would have to take.
    func stopReading() {
        misbehaves(.stopsReading)
        linkIsFaulty = true
        setDownlinkStalled(true, capacity: 1)
        scheduleRelief()
    }

    /// What is said gets nowhere.
    private var isUnheard: Bool { connection?.outgoing.isBlackHole ?? true }

    private func scheduleRelief() {
        let stalled = connection
        _ = swarm.environment.soon(
            after: .milliseconds(Int.random(in: 10...15_000, using: &random)),
            .action { [weak self] in
                guard let self, let connection = self.connection, connection === stalled else { return }
                self.setUplinkStalled(false, connection)
                self.setDownlinkStalled(false)
            })
    }

    /// The machine sleeps: its kernel still takes bytes, nobody answers.
    private func sleep() {
        misbehaves(.sleep)
        linkIsFaulty = true
        let seconds = [20, 100, 130, 3_600][Int.random(in: 0..<4, using: &random)]
        let until = now + .seconds(seconds)
        asleepUntil = until
        connection?.pauseReading()
        wake(at: until)
    }

    private func wakeUp() {
        asleepUntil = nil
        connection?.resumeReading()
        sendHeartbeat()
    }
}
