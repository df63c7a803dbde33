/// What the demo model has read: an original text, written for it, about the work that this program does.
///
/// It is part of the source so that the single binary needs no file beside it. Where lines end means nothing; the model
/// sees sentence ends by their punctuation, and nothing across a blank line.
enum DemoText {
    static let text = #"""
        A pool of machines is a promise that work will be done by somebody. The promise is kept by a coordinator,
        which knows who is there, who is busy and who has gone quiet. No machine in the pool has to know another. Each
        of them makes one call, says what it can do, and waits for work on the same line.

        A language model reads words and says which word is likely to come next. Everything else is built on that one
        small step, taken again and again. A large model takes the step with great care, and a small model takes the
        step with great speed. The word that comes out is called a token, although a token is often only a piece of a
        word. When people speak of the speed of a model, they mean the number of tokens that come out in one second.

        A machine that runs a model is called a provider. An application that asks for an answer is called a buyer.
        Between the provider and the buyer stands the coordinator, and the coordinator has a simple duty. It takes a
        request from a buyer, finds a provider that can serve it, and carries the answer back, word by word, in the
        right order. It must never lose a word, and it must never give a word to the wrong buyer.

        The provider calls the coordinator, and not the other way round. This is why a machine at home, behind a
        router and a firewall, can take part in the pool without an open port. The call is a long one. It stays open
        for hours or for days, and every request and every answer travels over it. When the line breaks, the provider
        waits a little and calls again. It waits a random time, so that a thousand providers do not all call in the
        same second.

        The first thing that a provider says is hello. It gives its name, the name of its model, the memory it has,
        and the number of requests that it can serve at once. That number is called its slots. A provider with two
        slots can serve two buyers at the same time, and a third buyer has to go to another provider or wait. The
        coordinator counts the slots itself, because a count that travels over a network is always a little old.

        Every half minute the provider sends a heartbeat. A heartbeat says that the machine is still there, how many
        slots are free, and how fast the last answers were. If no heartbeat comes for a long time, the coordinator
        stops believing in the machine. It closes the line and gives the work to others. A machine that wakes up from
        sleep is asked to warm up before it gets any work, because a model that has been moved out of memory is slow
        to come back.

        Streaming is the art of not waiting. A buyer who sees the first word after half a second is content, even if
        the last word comes after half a minute. A buyer who sees nothing for half a minute believes that the system
        is broken. So each word is sent on the moment it arrives. Nobody collects words in order to send a larger
        parcel, unless the words come together by themselves.

        Order is worth more than speed. Each piece of an answer has a number, and the numbers begin at zero. A piece
        that comes too early is held back until the one before it has arrived. A piece that never arrives ends the
        answer with an honest error. An honest error is better than a sentence with a hole in it.

        A connection should have one writer. When two writers share a line, sooner or later the words of one will
        stand in the middle of the words of the other. It may take a month before this happens, and then it happens on
        a busy evening and nobody can explain it. So the rule is plain. Everything that goes out, the text and the
        pong and the farewell, goes through the same hands, one whole message after another.

        A slow reader must not hold up the others. If a buyer reads slowly, the words that wait for that buyer pile
        up, and the pile has a limit. When the limit is reached, the answer is stopped and the buyer has to come back.
        If a provider reads slowly, the coordinator waits ten seconds for it and then lets it go. In both cases nobody
        else notices.

        Everything that can grow has a limit. A queue without a limit is only a slow way to run out of memory. A limit
        without a number is only a hope. Write the number down, test what happens when it is reached, and say in the
        error what the number was. The person who reads the error at night will be grateful.

        A system that is never overloaded is too large. A system that is always overloaded is too small. A good system
        is overloaded now and then, says no quickly, and is well again a second later. To say no quickly is a
        kindness, because the one who asked can go elsewhere. To say yes and then to be late is not a kindness.

        When a buyer goes away, the work for that buyer should stop. A model that goes on talking to an empty room
        wastes the slot that another buyer needs. The coordinator tells the provider to cancel, the provider tells the
        engine to stop, and the slot is free again. This must also work when the buyer goes away before the first word
        has come.

        A machine that wants to leave says so first. It tells the coordinator that it is draining, finishes the
        answers that it has begun, and then closes the line. No buyer notices that it has gone. A machine that leaves
        without a word breaks the answers that it was giving, and the buyers have to ask again. The difference between
        the two is a matter of good manners, and in a large system good manners are called reliability.

        Failure is ordinary. Disks fill up, cables are pulled, laptops are closed, and somebody always restarts the
        wrong machine. A program that is surprised by failure will surprise the people who run it. A program that
        expects failure will write one line in its log and try again. The second try should come soon, the third a
        little later, and the tenth a good deal later, but there should always be one more try.

        Waiting before the next try is a skill. If everybody waits the same time, everybody comes back at the same
        moment and breaks the door again. If everybody waits a random time, they come back one after another and the
        door holds. The longest wait should be short enough that a person does not lose patience. One minute is a good
        longest wait.

        A log is a letter to a stranger. The stranger may be you, in three months, at three in the morning. Write what
        happened, to whom, and why, in that order. Do not write the same thing a thousand times. Never write down a
        secret, and never write down what people have asked or what the model has answered.

        A counter tells you how often, a gauge tells you how much, and a histogram tells you how bad it was for the
        unlucky ones. The average is the friend of the one who wants to hear good news. Look at the slowest request of
        a hundred, and then look at the slowest request of a thousand, and you will know how the system feels to the
        people who use it.

        Time is a difficult guest. There are two clocks in every machine, one that only moves forward and one that
        tells the time of day. Use the first to measure and the second to talk to people. A program that measures with
        the second clock will wait for an hour on the night when the clocks are changed. Better still, let nobody read
        a clock at all, and hand the time to everyone who needs it. Then a test can run through a whole day in the
        time that it takes to blink.

        A test that cannot fail is a decoration. Before you trust a test, break the thing that it tests and watch it
        turn red. Then mend the thing and watch the test turn green. A test that sometimes turns red for no reason is
        worse than no test, because it teaches people to look away.

        Random tests find what nobody thought of. Give the machine a seed, let it cut every message in strange places,
        let it lose a connection in the middle of a word, and see whether the books still balance. When something goes
        wrong, the seed brings it back, as often as you like, until you understand it. A bug that can be brought back
        is already half mended.

        Simple things are easy to trust. A program that does one thing in one place can be read from the top to the
        bottom. A program that does one thing in five places has to be believed. Clever code is a loan, and the person
        who has to pay it back is the next one who reads it. If you can say it in a plain way, say it in a plain way.

        A name is the shortest explanation. If it is hard to find a name for something, it is probably two things. If
        two things have the same name, someone will take one for the other. Call things what the people in the field
        call them, because they will read your code with their own words in mind.

        Measure before you make something faster. The slow part is almost never where you think it is. When you have
        found it, make it do less work, and only then make it do the work in a quicker way. The fastest message is the
        one that does not have to be sent. The fastest copy is the one that does not have to be made.

        Memory is a shelf, and copying is carrying books from one shelf to another. A program that carries every book
        five times will be tired in the evening. A good relay picks a book up once and puts it down once, in the right
        place. It does not read the book. It does not write the book again in nicer letters.

        A single thread can do a surprising amount of work, if it is never made to wait. It reads what has come, does
        the small thing that has to be done, writes what has to go out, and sleeps until there is more. As long as
        nobody asks it to wait for a disk or for a distant machine, it can serve thousands of lines at once. When one
        thread is not enough, take two, but do not let them share anything.

        Sharing is where the trouble starts. Two threads that share a table need a lock, and two locks need an order,
        and the order needs somebody who remembers it. Give each thing one owner. If another needs to know, send a
        message. It is a little slower on a quiet day and a great deal faster on a bad one.

        Trust is given in small portions. A new machine in the pool gets a little work at first, then more. A machine
        that the operator knows by name gets more from the beginning. A machine that misbehaves is sent away, and its
        name is kept on a list, so that it does not come back in the next minute with the same smile.

        Every message from outside is a stranger. It may be too long, it may be cut in half, it may say that it is
        short and then not end. Look at it before you make room for it. Refuse it at the first byte that proves that
        it is wrong. Refusing is not rude, and it is much cheaper than being sorry later.

        A password belongs in a file that only its owner can read. It does not belong on the command line, where
        everybody who looks at the list of programs can see it. It does not belong in the log. When you keep a
        password of somebody else, keep only its shadow, so that the one who steals the shadow cannot use it.

        Encryption is an envelope. The letter inside is the same, but the postman cannot read it. Both sides agree on
        a key that never travels, each message has a number that is never used again, and a message that has been
        touched on the way is thrown away. When a key has been used for long enough, take a new one. It costs little,
        and it limits what can be lost.

        An interface is a treaty between people who may never meet. Keep your part of it exactly, and be patient with
        small faults in theirs. Do not be patient with large faults, because a large fault that is forgiven becomes a
        custom. When you have to change the treaty, give the new one a new number and keep the old one for those who
        still need it.

        Documentation is part of the program. A feature that nobody can find does not exist. Show the shortest command
        that works, then explain what it did, then say what else can be done. Say what the defaults are and why they
        were chosen. Say what the program does not do, because that saves more time than anything else.

        An operator has to sleep. A program that wakes its operator should have a good reason, and should say in the
        first line what can be done about it. A program that mends itself and says so in the morning is a good
        colleague. The best day of an operator is a day on which nothing has to be done.

        Upgrades should be dull. Stop taking new work, finish the old work, close the lines politely, start the new
        version, and let the machines come back one by one. If it goes wrong, do the same thing with the old version.
        An upgrade that needs courage has been prepared badly.

        The memory of a machine decides how large a model it can hold. The bandwidth of that memory decides how fast
        the model can talk, because for every single word the whole model has to be read once. This is why two buyers
        at once are not twice as expensive as one. While the model is being read for the first buyer, it can serve the
        second buyer as well.

        The prompt is read in one go, and the answer is written one word at a time. Reading is fast and writing is
        slow. A long question with a short answer is cheaper than a short question with a long answer. What has been
        read before can be remembered, so a conversation that goes back to the same machine begins to answer sooner.

        A context is the part of the conversation that the model can see. When the conversation becomes longer than
        the context, something has to be left out. It is better to say that the context is full than to leave
        something out in silence. A buyer who knows can make the question shorter.

        Temperature is courage. At zero the model always takes the most likely word, and it will say the same thing
        every time. At one it takes each word as often as the word deserves. Above one it begins to take risks, and
        soon afterwards it begins to talk nonsense. A seed makes the chance repeatable, which is useful in tests and
        comforting in general.

        A small model can be useful. It can sort letters, find names, shorten a page, or fill in a form. It does not
        know everything, and it should not pretend to. If the question is easy, a small model on a quiet machine
        nearby is better than a large model on a busy machine far away. The router should know the difference, and the
        buyer should be able to say what matters most.

        Some buyers want the fastest answer. Some buyers want the best answer. Some buyers do not care, as long as the
        answer comes. The router listens to what they want and then looks at the machines. It takes the machine that
        is ready, that has a free slot, that has the right model, and that can hold the whole question. If there are
        several, it takes the best of them. If there are none, it says so at once.

        Packing work together leaves other machines free to sleep. Spreading work out gives each buyer more speed.
        Both are right at different hours of the day. A policy is a choice that has been written down, so that it can
        be changed without changing the program.

        A pool is stronger than its strongest machine. If one machine in ten fails every day, a buyer who depends on
        one machine will lose a day in ten. A buyer who depends on the pool will hardly notice. But this is only true
        if the failures are noticed quickly, and if the work is given to somebody else without being asked.

        People share machines because machines are idle most of the time. A computer under a desk is busy for a few
        hours and then looks at the ceiling until the next morning. To lend it to others at night costs little more
        than the electricity. To borrow a machine in another part of the world, where it is night now, costs little
        more than a good line.

        Heat is what remains of every computation. A machine that works for a long time becomes warm, and a warm
        machine becomes slow, because it protects itself. The speed that a provider promises in the morning is not
        always the speed that it can keep in the afternoon. So the coordinator measures what really happens, and
        believes the measurement more than the promise.

        Fairness is not the same as equality. A buyer who sends one request should not have to wait behind a buyer who
        sends a thousand. Give everybody a turn, and give the rest to those who can use it. When there is too little
        for everybody, say who gets what and why, and keep to it.

        A queue is a promise to come back to something. A short queue is a courtesy, and a long queue is a lie. If the
        queue has been long for an hour, it will not become short by waiting. Either there must be more machines or
        there must be fewer requests, and the queue cannot decide which.

        A cache is a bet that the past will happen again. The bet is often good. It becomes bad in two cases, when the
        thing that was kept has changed, and when nobody has decided how much may be kept. There is an old joke about
        this, and like most old jokes it is true.

        Bring the work to the data or bring the data to the work. Words are light and models are heavy. So the
        question travels to the machine where the model already is, and only the answer travels back. To move a model
        takes many minutes. To move a question takes the time between two heartbeats of a bird.

        The network is not reliable, not free, not without delay, and not the same everywhere. A message can come
        late, and it can come twice, and it can fail to come at all. What cannot happen is that it comes before it was
        sent. Build on that, and on nothing else.

        Half of a system is what it does when everything goes well. That half is written in the first week. The other
        half is what it does when something goes wrong, and that half takes the rest of the year. Nobody praises the
        second half, but everybody remembers when it was missing.

        A deadline is a gift to both sides. The one who waits knows when to stop waiting, and the one who works knows
        when it is too late. Work that is late and that nobody waits for any more should be thrown away at once. A
        deadline should begin when the work begins, not when somebody last looked at the clock.

        A ping is a small question with only one right answer. Are you there? Yes, I am there. If the answer does not
        come, the line may be broken, although it looks whole from here. A line can be broken for a long time before
        anybody notices, if nobody says anything. So say something now and then, even if there is nothing to say.

        To close a line politely, say that you are closing it and why, wait a moment for the other side to say the
        same, and then hang up. To close a line rudely, hang up. The polite way takes a tenth of a second longer, and
        it saves an hour of guessing.

        An error message has three parts. What went wrong, what was expected, and what to do next. An error message
        that says only that an error has occurred is a door with no handle. The best error messages are written by
        somebody who has once had to read the worst ones.

        Good defaults are a form of respect. Most people will never change them, and they should not have to. Choose
        the value that is right for the person who has just arrived, and make it possible to choose another. A setting
        that nobody understands should not be a setting.

        A budget of memory, a budget of time and a budget of patience are the three budgets of every service. The
        first two can be measured. The third belongs to somebody else, and it is always smaller than you think.

        Old ideas about machines are often good ones. Do one thing and do it well. Say little when all is well. Fail
        loudly when something is wrong. Let the parts be joined by something simple. Keep the thing that changes apart
        from the thing that stays. These were said a long time ago, and they are still said because they are still
        true.

        To learn how a system works, follow one request from the beginning to the end. See where it waits. See who
        looks at it. See how often it is copied, and how often it is turned from one form into another. When you know
        the life of one request, you know the life of all of them. Then ask what happens to it when each of the parts
        on its way is switched off.

        A good day in the pool begins quietly. The first providers say hello, one after another, and the list of
        models grows. The first buyer asks a question, and a slot is taken. The answer comes back in small pieces, and
        the slot is free. By noon there are a hundred answers under way at once, and every one of them goes to the
        right buyer. In the evening some of the machines say goodbye and finish what they have begun. At night the log
        is short.

        A bad day in the pool begins quietly as well. A cable is pulled in a building far away, and thirty providers
        are gone in the same second. Their answers end with an honest error, and the buyers ask again. The other
        providers take the work, and for a minute everything is slow. Then the thirty come back, one after another,
        each after a random wait. By noon it is a good day again, and the log tells the whole story in ten lines.

        The river does not ask each drop where it comes from. It carries what it is given, in the order in which it
        was given, as far as the sea. A relay should be like a river with good banks. The water stays in its bed, and
        when there is too much of it, there is a gate that can be closed.

        A bridge is judged by the heaviest cart that it carries safely, and a relay is judged by its worst minute.
        Nobody counts the carts on a quiet morning. Build for the market day, and the quiet mornings will take care of
        themselves.

        A lighthouse does not know the ships. It says the same short thing again and again, and every ship draws its
        own conclusion. A heartbeat is a small lighthouse. When it stops, do not ask why at first. Turn the ship, and
        ask afterwards.

        A good host notices when a guest would like to leave. A good guest says goodbye before leaving. Between the
        two there is no misunderstanding, and the table can be laid for the next one.

        The baker does not bake a second loaf because the first customer is slow to pay. The baker puts the loaf on
        the shelf and serves the next one. But if the shelf is full, the baker stops baking. That is all there is to
        know about back-pressure.

        Two people can carry a long table through a narrow door if one of them leads and the other one listens. If
        both of them lead, the table stays where it is. In a system of many machines, somebody has to lead, and it
        must be clear who that is, and it must be clear what happens when the leader falls asleep.

        Patience and haste are both needed. Be hasty in noticing that something is wrong, and patient in deciding that
        it is wrong for ever. A machine that has missed one heartbeat may only have been busy. A machine that has
        missed three has gone, and it does not help to wait for the fourth.

        What is written once and read a thousand times should be written with care. What is written a thousand times
        and read once should be written cheaply. A configuration belongs to the first kind and a log belongs to the
        second kind. Many troubles come from taking one for the other.

        It is tempting to add one more feature. It is wiser to make the features that are there work at midnight, on a
        full disk, on a slow line, with the wrong clock. A small tool that always works is kept for years. A large
        tool that mostly works is replaced by the next large tool.

        An answer can be right, or quick, or cheap. With a pool of machines it can often be two of these at once. On a
        lucky day it is all three. The coordinator cannot make its own luck, but it can make sure that no luck is lost
        on the way.

        This model is small on purpose. It has read only a few pages, and it puts words together that have stood
        together before. It can show how an answer streams through the pool, word by word, from a machine to a
        coordinator to an application. It can show what happens when the answer is cancelled, or when it becomes too
        long, or when the line breaks. It cannot tell you anything that is not in those few pages. For real answers,
        start an engine with a real model and give its address to the provider.

        To try the system, start the coordinator, start one provider with the demo engine, and ask a question with any
        tool that speaks the usual protocol. You will see the words arrive one by one. Then start a second provider,
        and ask two questions at the same time. Then stop one of the providers in the middle of an answer, and see
        what the error looks like. Then read the metrics, and see that every request has been counted exactly once.

        Whoever runs a pool will learn three things. Machines come and go, and that is well. Words must arrive in
        order, and that is all that the buyer sees. And the best moment to prepare for trouble is while there is none.

        Ask a good question and you have half of the answer. Ask it in plain words, say what you already know, and say
        what a good answer would look like. A model cannot see your desk. It sees only the words that you give it, and
        it does its best with them.

        Reading an answer is work too. A confident sentence is not always a true sentence. Look for the part that can
        be checked, and check it. A tool that is right nine times out of ten is a good tool in careful hands, and a
        dangerous one in careless hands.

        Write things down before you forget them. Throw things away when you are done with them. Count things that you
        are afraid of losing. Lock things that are worth more than the lock. Ask for help before the third mistake,
        and not after it. Rest before you are tired. Say thank you to the person who wrote the error message that
        helped.

        In the end a machine is only as patient as the people who built it. If they thought about the slow line, the
        full disk, the closed laptop and the impatient buyer, then the machine will seem wise. It is not wise. It has
        only been told in advance what might happen, and what to do then, and to say so when it does not know.

        How does a relay work? A relay takes a message from one side and gives it to the other side, and it keeps
        nothing for itself. It knows from whom each message came and to whom it belongs. A relay works well when it
        does very little, does it at once, and never mixes two conversations.

        What does a provider do? A provider lends its machine to the pool. It keeps one line open to the coordinator,
        takes a request when a slot is free, asks its engine, and sends each word of the answer on. A provider is free
        to leave at any time, as long as it finishes what it has begun.

        What does a coordinator do? A coordinator decides which machine gets which question. It remembers who is ready
        and who is slow, it counts the slots, and it carries every answer back to the buyer who asked. A coordinator
        does not think about the question. It thinks only about the way.

        What is a token? A token is a small piece of text, often a word and sometimes half a word. A model reads
        tokens and writes tokens, and a bill is a list of tokens. In this toy model a token is simply a word or a
        mark.

        What is back-pressure? Back-pressure is the art of saying wait before it is too late. When the reader is slow,
        the writer has to be slow as well, or else something between them grows until it breaks. Good back-pressure
        travels all the way from the last reader to the first writer.

        What is a heartbeat? A heartbeat is a short message that says that all is well. It carries the number of free
        slots and the speed of the last answers. A heartbeat that is late is a question, and a heartbeat that is
        missing is an answer.

        Why does a provider dial out? A machine at home has no public address, and its owner does not want an open
        port. A call from the inside to the outside is allowed almost everywhere. Once the call stands, messages can
        travel both ways.

        Why is the answer sent word by word? A reader can begin to read while the model is still writing. The time to
        the first word is the time that people feel. A whole answer at the end is only better for programs that cannot
        use a half of it.

        Why does an answer sometimes fail? A machine can lose its power, a line can break, an engine can run out of
        memory. The coordinator notices, says so in plain words, and marks the machine until it has proved that it is
        well. The buyer asks again, and most of the time another machine answers.

        Who may join the pool? Anybody whom the operator lets in. A machine that nobody knows can be given a small
        share of the work until it has shown that it can be trusted. The operator can promote it, and the operator can
        send it away.

        Is a pool as fast as a single large machine? For one question it is as fast as the machine that gets the
        question. For many questions it is as fast as all the machines together. A pool does not make one answer
        quicker, it makes many answers possible at once.

        Hello. It is good to hear from you. Ask about machines, models, queues, limits or patience, since there is not
        much else that this model has read about. The weather it does not know, and the news it has never seen.
        """#
}
