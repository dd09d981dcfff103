/** Notification sound, synthesised so that no file has to be loaded. */

const NOTES_HZ = [659, 880];
const NOTE_S = 0.14;
const GAIN = 0.08;

/** @type {AudioContext | null} */
let context = null;

/**
 * Play the sound, or nothing before the first user action in the page: until then browsers suspend audio, and would
 * play the notes of all messages at once later.
 */
export function chime() {
  // Firefox before version 120 does not have this property.
  if (navigator.userActivation?.hasBeenActive === false) return;
  context ??= new AudioContext();
  if (context.state === "suspended") void context.resume();
  NOTES_HZ.forEach((hertz, index) => playNote(/** @type {AudioContext} */ (context), hertz, index * NOTE_S * 0.7));
}

/**
 * @param {AudioContext} audio
 * @param {number} hertz
 * @param {number} delay seconds
 */
function playNote(audio, hertz, delay) {
  const start = audio.currentTime + delay;
  const tone = new OscillatorNode(audio, { frequency: hertz, type: "sine" });
  const volume = new GainNode(audio, { gain: 0 });
  volume.gain.setTargetAtTime(GAIN, start, 0.01);
  volume.gain.setTargetAtTime(0, start + NOTE_S / 2, 0.05);
  tone.connect(volume).connect(audio.destination);
  tone.start(start);
  tone.stop(start + NOTE_S * 3);
}
