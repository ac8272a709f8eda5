import { renderToString } from 'react-dom/server';
import { scenarios } from './scenarios.jsx';

/** The HTML of a scenario. */
export const render = (name) => {
  const Scenario = scenarios[name];
  return renderToString(<Scenario />);
};
