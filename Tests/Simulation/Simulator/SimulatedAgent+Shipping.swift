import AgentCore
import LedgerCore
import SyncProtocol

/// The thread that ships, as `Shipper` has it: it does what `Outbox` decides.
extension SimulatedAgent {
    func ship() {
        let arrived = reports
        reports = []
        for item in arrived {
            switch item {
            case .report(let report): perform(outbox.reported(report, now: now, &random))
            case .wanted(let account): outbox.want(account)
            }
        }
    }

    // MARK: Actions out

    func perform(_ actions: [Outbox.Action]) {
        var queue = actions[...]
        while let action = queue.popFirst() {
            let following = perform(action)
            if !following.isEmpty { queue = following + queue }
        }
    }

    private func perform(_ action: Outbox.Action) -> [Outbox.Action] {
        switch action {
        case .send(let frame):
            noteFrame(frame)
            _ = world.publish(device.number, .up(name), frame.encoded())
        case .sendStatus(let frame):
            _ = world.publish(device.number, .status(name), frame.encoded(), isRetained: true)
        case .sendSegments(let parcel):
            let bytes = parcel.framed().encoded()
            let isTaken = world.publish(device.number, .up(name), bytes)
            if isTaken { world.mark(parcel.attempt > 1 ? .segmentsResent : .segmentsSent) }
            return outbox.handedOver(parcel, isTaken: isTaken, now: now, &random)
        case .ask(let question):
            guard let answer = contents.answer(question) else { return [] }
            noteAnswer(question, answer)
            return outbox.answered(question, answer, now: now, &random)
        case .errand(let errand):
            world.note { "    \(self.id) \(Words.errand(errand))" }
            post(.errand(errand))
        case .note(let note): take(note)
        }
        return []
    }

    /// What leaves, as far as something must be true of it.
    private func noteFrame(_ frame: Frame) {
        guard let kind = Frame.Kind(rawValue: frame.kind) else { return }
        switch kind {
        case .hello: world.mark(.helloSent)
        case .proof:
            world.mark(.proofSent)
            if case .proof(let proof)? = try? Message(frame) {
                world.checkProof(self, session: frame.session, proof)
            }
        case .definitions: world.mark(.definitionsSent)
        case .accountRequest:
            if case .accountRequest(let request)? = try? Message(frame) {
                world.mark(request.wantsAll ? .snapshotAskedFor : .accountWanted)
            }
        case .returns: world.mark(.returnsSent)
        case .unreadable: world.mark(.unreadableSaid)
        default: break
        }
    }

    private func noteAnswer(_ question: LogQuestion, _ answer: LogAnswer) {
        switch (question, answer) {
        case (.places, _): world.mark(.wentBack)
        case (.timeBefore, _): world.mark(.watermarkLookedUp)
        case (_, .unreadable): world.mark(.readUnreadable)
        default: break
        }
    }

    private func take(_ note: Outbox.Note) {
        world.note { "    \(self.id) \(Words.note(note))" }
        switch note {
        case .progress(let tag, let progress):
            world.mark(
                progress.ack.through.sequence > progress.released ? .released : .confirmedAgain)
            world.checkRelease(self, tag, progress.ack.through)
        case .ends(let tag, let finding):
            world.mark(.streamEnded)
            world.accused(self, tag, finding)
        case .held: world.mark(.streamHeld)
        case .drained: world.mark(.drained)
        case .follows(_, let before):
            world.mark(before == nil ? .firstHub : .anotherHub)
            // What the hub before held is no reason to prune.
            held = [:]
        case .stray: world.mark(.strayHub)
        case .forged: world.mark(.forgedRefused)
        case .broken: world.mark(.brokenFrame)
        case .told: world.mark(.hubEventTold)
        case .lost, .drawn, .unreadable, .refused: break
        }
    }
}
