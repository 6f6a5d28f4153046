/** What somebody chooses for the whole page: language, colours, zone of times. */
import { type Colours, chooseColours, coloursChosen } from './colours.ts';
import { choose, LANGUAGES, type Language, language, t } from './language.ts';
import { chooseZone, zoneIsUtc, zoneText } from './numbers.ts';

export function Choices({ onChosen }: { onChosen: () => void }) {
  return (
    <div class="choices">
      <fieldset aria-label={t.language} class="segments">
        {(Object.keys(LANGUAGES) as Language[]).map((each) => (
          <button
            key={each}
            type="button"
            lang={each}
            aria-pressed={language() === each}
            onClick={() => {
              choose(each);
              onChosen();
            }}
          >
            {LANGUAGES[each]}
          </button>
        ))}
      </fieldset>
      <label class="inline">
        <span class="unseen">{t.theme}</span>
        <select
          aria-label={t.theme}
          value={coloursChosen()}
          onChange={({ currentTarget }) => {
            chooseColours(currentTarget.value as Colours);
            onChosen();
          }}
        >
          {(['auto', 'light', 'dark'] as const).map((each) => (
            <option key={each} value={each}>
              {t.themes[each]}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

export function Zone({ onChosen }: { onChosen: () => void }) {
  return (
    <span class="zone">
      <span>
        {t.zone} <b>{zoneText()}</b>
      </span>
      <button
        type="button"
        class="link"
        onClick={() => {
          chooseZone(!zoneIsUtc());
          onChosen();
        }}
      >
        {zoneIsUtc() ? t.zoneLocal : t.zoneUtc}
      </button>
    </span>
  );
}
